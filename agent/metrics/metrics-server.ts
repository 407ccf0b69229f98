import { createHash, timingSafeEqual } from 'node:crypto'
import { type FastifyInstance, fastify } from 'fastify'
import { asHttpError, routeUnknown } from '../../protocol/api/http-error.ts'
import { METRICS_TYPE, type Metrics } from '../../protocol/api/metrics.ts'
import { PROBLEM_TYPE, problemOf } from '../../protocol/api/problem.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { RETRY_AFTER_S } from '../../protocol/core/limits.ts'
import {
  METRICS_CONNECTIONS_MAX,
  METRICS_REQUEST_MS_MAX
} from '../../protocol/core/metrics-limits.ts'
import { listenOn, urlOf } from '../../protocol/host/listening.ts'
import type { Log } from '../../protocol/host/log.ts'
import { readSecretFile } from '../../protocol/host/secret-file.ts'
import type { MetricsSettings } from './metrics-settings.ts'

export interface MetricsServerParts {
  readonly metrics: Pick<Metrics, 'text'>
  readonly log: Log
}

/** Bytes of a request's head: a scraper's has some 300. */
const HEAD_BYTES_MAX = 8_192
/** Bytes of a body: none is read. */
const BODY_BYTES_MAX = 1_024

/** The agent's metrics over TCP, for a scraper; nothing else is answered there. */
export class MetricsServer {
  readonly #parts: MetricsServerParts
  readonly #settings: MetricsSettings
  #app: FastifyInstance | undefined

  constructor(parts: MetricsServerParts, settings: MetricsSettings) {
    this.#parts = parts
    this.#settings = settings
  }

  /** Where it listens; '' where it does not. */
  get url(): string {
    const base = this.#app === undefined ? '' : urlOf(this.#app)
    return base === '' ? '' : `${base}/metrics`
  }

  /**
   * Does nothing where the settings name no address. Rejects with CONFIG_INVALID where it cannot
   * listen, and as readSecretFile does for the file of the token.
   */
  async start(): Promise<void> {
    const { listen, tokenFile } = this.#settings
    if (listen === undefined) return
    const token = tokenFile === undefined ? undefined : await tokenDigest(tokenFile)
    const app = metricsApp(this.#parts, token)
    const { host, port } = listen
    await listenOn(app, { host, port, setting: 'metrics.listen', file: 'agent.yaml' })
    this.#app = app
    this.#parts.log.info({ url: this.url, token: token !== undefined }, 'metrics served')
  }

  async stop(): Promise<void> {
    const app = this.#app
    this.#app = undefined
    await app?.close()
  }
}

function metricsApp({ metrics, log }: MetricsServerParts, token: Buffer | undefined) {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: METRICS_REQUEST_MS_MAX,
    connectionTimeout: METRICS_REQUEST_MS_MAX,
    forceCloseConnections: true,
    http: { maxHeaderSize: HEAD_BYTES_MAX, headersTimeout: METRICS_REQUEST_MS_MAX }
  })
  app.server.maxConnections = METRICS_CONNECTIONS_MAX
  app.setErrorHandler((error, request, reply) => {
    const contentType = request.headers['content-type']
    const known = asHttpError(error, { contentType, bodyBytesMax: BODY_BYTES_MAX })
    const { status } = known.kind
    if (status >= 500) log.error({ err: error }, 'metrics not given')
    if (status === 401) reply.header('www-authenticate', 'Bearer')
    if (status === 503) reply.header('retry-after', RETRY_AFTER_S)
    return reply.code(status).type(PROBLEM_TYPE).send(problemOf(known, 'stranger'))
  })
  app.setNotFoundHandler((request) => {
    throw routeUnknown(request)
  })
  app.get('/metrics', async (request, reply) => {
    checkToken(token, request.headers.authorization)
    const text = await metrics.text()
    return reply.type(METRICS_TYPE).header('cache-control', 'no-store').send(text)
  })
  return app
}

/** Throws TOKEN_INVALID where one is asked for and another one, or none, is shown. */
function checkToken(token: Buffer | undefined, authorization: string | undefined): void {
  if (token === undefined) return
  const shown = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  // Of one length whatever is shown, as the comparison in constant time needs.
  if (shown !== undefined && timingSafeEqual(digestOf(shown), token)) return
  const problem = authorization === undefined ? 'missing' : 'another one'
  const fix = 'show what is in the file that metrics.tokenFile of agent.yaml names'
  throw new MeshError('TOKEN_INVALID', { problem, fix })
}

async function tokenDigest(file: string): Promise<Buffer> {
  return digestOf(
    Buffer.from(await readSecretFile(file))
      .toString()
      .trim()
  )
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
