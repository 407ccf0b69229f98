import { chmod, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type FastifyInstance, fastify } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { asHttpError, routeUnknown } from '../../protocol/api/http-error.ts'
import { PROBLEM_TYPE, problemOf } from '../../protocol/api/problem.ts'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { RETRY_AFTER_S } from '../../protocol/core/limits.ts'
import { makeFolders } from '../../protocol/host/durable-file.ts'
import type { Log } from '../../protocol/host/log.ts'
import { checkSocketPath } from '../../protocol/host/paths.ts'
import type { ControlParts } from './parts.ts'
import { controlRoutes } from './routes.ts'

/** Bytes of a request to the local API: an admission has a few hundred. */
const BODY_BYTES_MAX = 65_536

/** The local API, on a Unix socket that only this user may open. */
export class ControlServer {
  readonly #app: FastifyInstance
  readonly #socket: string
  readonly #streams: ControlParts['streams']

  constructor(parts: ControlParts, options: { readonly socket: string; readonly log: Log }) {
    this.#socket = options.socket
    this.#streams = parts.streams
    this.#app = controlApp(parts, options.log)
  }

  /**
   * Replaces the socket of a dead daemon; the caller holds the store's lock, so none is alive.
   * Rejects with SOCKET_PATH_TOO_LONG, STATE_UNWRITABLE.
   */
  async start(): Promise<void> {
    checkSocketPath(this.#socket)
    const state = dirname(this.#socket)
    try {
      await makeFolders(state, 0o755)
      await rm(this.#socket, { force: true })
      await this.#app.listen({ path: this.#socket })
      await chmod(this.#socket, 0o600)
    } catch (error) {
      throw new MeshError('STATE_UNWRITABLE', { state, cause: causeOf(error) }, { cause: error })
    }
  }

  async stop(): Promise<void> {
    this.#streams.stop()
    await this.#app.close()
    await rm(this.#socket, { force: true })
  }
}

/** The application without its socket: tests inject requests. */
export function controlApp(parts: ControlParts, log: Log): FastifyInstance {
  const app = fastify({ logger: false, bodyLimit: BODY_BYTES_MAX, forceCloseConnections: true })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler((error, request, reply) => {
    const contentType = request.headers['content-type']
    const known = asHttpError(error, { contentType, bodyBytesMax: BODY_BYTES_MAX })
    if (known.code === 'BUG') log.error({ err: error }, 'control request failed')
    const { status } = known.kind
    if (status === 503) reply.header('retry-after', RETRY_AFTER_S)
    return reply.code(status).type(PROBLEM_TYPE).send(problemOf(known, 'owner'))
  })
  app.setNotFoundHandler((request) => {
    throw routeUnknown(request)
  })
  controlRoutes(app, parts)
  return app
}
