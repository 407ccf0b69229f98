import { chmod, mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type FastifyInstance, fastify } from 'fastify'
import {
  hasZodFastifySchemaValidationErrors,
  serializerCompiler,
  validatorCompiler
} from 'fastify-type-provider-zod'
import { MESH_ERRORS, MeshError } from '../../protocol/core/errors.ts'
import { asMeshError } from '../../protocol/host/exit.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { ControlParts } from './parts.ts'
import { controlRoutes } from './routes.ts'

/** Bytes of a request to the local API: an admission has a few hundred. */
const BODY_BYTES_MAX = 65_536

/** The local API, on a Unix socket that only this user may open. */
export class ControlServer {
  readonly #app: FastifyInstance
  readonly #socket: string

  constructor(parts: ControlParts, options: { readonly socket: string; readonly log: Log }) {
    this.#socket = options.socket
    this.#app = controlApp(parts, options.log)
  }

  /** Replaces the socket of a dead daemon; the caller holds the store's lock, so none is alive. */
  async start(): Promise<void> {
    await mkdir(dirname(this.#socket), { recursive: true, mode: 0o755 })
    await rm(this.#socket, { force: true })
    await this.#app.listen({ path: this.#socket })
    await chmod(this.#socket, 0o600)
  }

  async stop(): Promise<void> {
    await this.#app.close()
    await rm(this.#socket, { force: true })
  }
}

/** The application without its socket: tests inject requests. */
export function controlApp(parts: ControlParts, log: Log): FastifyInstance {
  const app = fastify({ logger: false, bodyLimit: BODY_BYTES_MAX, forceCloseConnections: true })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler((error, _request, reply) => {
    const known = problemFrom(error)
    if (known.code === 'BUG') log.error({ err: error }, 'control request failed')
    return reply.code(known.kind.status).type('application/problem+json').send(problem(known))
  })
  app.setNotFoundHandler((request) => {
    throw new MeshError('ROUTE_UNKNOWN', { method: request.method, path: request.url })
  })
  controlRoutes(app, parts)
  return app
}

function problemFrom(error: unknown): MeshError {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [first] = error.validation
    const where = first?.instancePath ?? ''
    return new MeshError('REQUEST_INVALID', { problem: `${where} ${first?.message ?? ''}`.trim() })
  }
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (status >= 400 && status < 500 && error instanceof Error) {
    return new MeshError('REQUEST_INVALID', { problem: error.message })
  }
  return asMeshError(error)
}

function problem(error: MeshError): Record<string, unknown> {
  return {
    type: 'about:blank',
    title: error.code,
    status: MESH_ERRORS[error.code].status,
    detail: error.message,
    code: error.code,
    facts: error.facts
  }
}
