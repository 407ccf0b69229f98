import helmet from '@fastify/helmet'
import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { asHttpError, routeUnknown } from '../../protocol/api/http-error.ts'
import { PROBLEM_TYPE, problemOf } from '../../protocol/api/problem.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { HOOK_ANSWER_MS_MAX } from '../../protocol/core/forge-limits.ts'
import {
  AUTH_FAILURES_PER_MINUTE_MAX,
  DELIVERY_BYTES_MAX,
  HTTP_CONNECTIONS_MAX,
  HTTP_HEADER_BYTES_MAX,
  HTTP_IDLE_MS_MAX,
  HTTP_REQUEST_MS_MAX,
  HTTP_REQUESTS_PER_MINUTE_MAX
} from '../../protocol/core/limits.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Receiver } from '../hooks/receiver.ts'
import { hookRoutes } from '../hooks/routes.ts'
import { pageRoutes } from '../web/page-routes.ts'
import { metricsRoute } from './metrics-route.ts'
import { openApi } from './open-api.ts'
import type { ApiParts } from './parts.ts'
import { headersOf } from './problem.ts'
import { refuseSocket } from './refused-socket.ts'
import { apiRoutes, openRoutes } from './routes.ts'
import type { TokenStore } from './token-store.ts'

export interface ServerParts {
  readonly api: ApiParts
  readonly receiver: Pick<Receiver, 'receive'>
  readonly tokens: Pick<TokenStore, 'find'>
  readonly log: Log
}

export interface ServerOptions {
  /** Milliseconds within which one request must have arrived whole. */
  readonly requestMsMax?: number | undefined
  /** Milliseconds within which a delivery is answered. */
  readonly answerMsMax?: number | undefined
  readonly requestsPerMinuteMax?: number | undefined
  readonly connectionsMax?: number | undefined
}

const MINUTE_MS = 60_000
/** All whose connection was reset before they were looked at share one count. */
const GONE = 'gone'
/** How often Node looks for requests that take too long; its own 30 s would outlast our limit. */
const CHECK_EVERY_MS = 1_000

/** The gateway's HTTP side, not listening yet: hooks, API and health. */
export async function createServer(
  parts: ServerParts,
  options: ServerOptions = {}
): Promise<FastifyInstance> {
  const app = bareServer(parts, options.requestMsMax ?? HTTP_REQUEST_MS_MAX)
  app.server.maxConnections = options.connectionsMax ?? HTTP_CONNECTIONS_MAX
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  await app.register(helmet, {
    // Documents for programs: nothing in them is to be loaded, run or framed by a browser.
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] }
    },
    // TLS ends at a proxy before us; what that host promises browsers is its owner's to say.
    strictTransportSecurity: false
  })
  await app.register(rateLimit, {
    max: options.requestsPerMinuteMax ?? HTTP_REQUESTS_PER_MINUTE_MAX,
    timeWindow: MINUTE_MS,
    keyGenerator: senderOf,
    errorResponseBuilder: (_request, { max }) =>
      new MeshError('RATE_LIMITED', { max, window: 'a minute' })
  })
  await app.register(swagger, openApi(parts.api.version))
  refuse(app, parts)
  const { answerMsMax = HOOK_ANSWER_MS_MAX } = options
  const failures = app.createRateLimit({ max: AUTH_FAILURES_PER_MINUTE_MAX, timeWindow: MINUTE_MS })
  await app.register((scope, _options, done) => {
    openRoutes(scope, parts.api)
    metricsRoute(scope, { api: parts.api, tokens: parts.tokens, failures })
    done()
  })
  await app.register((scope, _options, done) => {
    refuseWhileStopping(scope, parts.api)
    hookRoutes(scope, { receiver: parts.receiver, failures, answerMsMax })
    done()
  })
  await app.register((scope, _options, done) => {
    refuseWhileStopping(scope, parts.api)
    pageRoutes(scope, { api: parts.api, tokens: parts.tokens, failures })
    done()
  })
  await app.register(
    (scope, _options, done) => {
      refuseWhileStopping(scope, parts.api)
      apiRoutes(scope, { api: parts.api, tokens: parts.tokens, failures })
      done()
    },
    { prefix: '/api/v1' }
  )
  return app
}

function bareServer(parts: ServerParts, requestMsMax: number): FastifyInstance {
  return fastify({
    logger: false,
    bodyLimit: DELIVERY_BYTES_MAX,
    requestTimeout: requestMsMax,
    connectionTimeout: HTTP_IDLE_MS_MAX,
    keepAliveTimeout: HTTP_IDLE_MS_MAX,
    // Ours says so with a problem document; see refuseWhileStopping.
    return503OnClosing: false,
    http: {
      maxHeaderSize: HTTP_HEADER_BYTES_MAX,
      headersTimeout: requestMsMax,
      connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, requestMsMax / 2)
    },
    frameworkErrors: (error, request, reply) => answer(parts.log, error, request, reply),
    clientErrorHandler: (error, socket) => refuseSocket(error, socket)
  })
}

/** A connection that was reset has no address any more: without this each is logged as a bug. */
function senderOf({ ip }: { readonly ip: string | undefined }): string {
  return ip === undefined ? GONE : normalizeIP(ip)
}

function refuse(app: FastifyInstance, parts: ServerParts): void {
  app.setErrorHandler((error, request, reply) => answer(parts.log, error, request, reply))
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, (request) => {
    throw routeUnknown(request)
  })
}

function refuseWhileStopping(scope: FastifyInstance, api: ApiParts): void {
  scope.addHook('onRequest', (_request, _reply, done) => {
    done(api.stopping() ? new MeshError('STOPPING', { what: 'the gateway' }) : undefined)
  })
}

function answer(
  log: Log,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply
): FastifyReply {
  const contentType = request.headers['content-type']
  const known = asHttpError(error, { contentType, bodyBytesMax: DELIVERY_BYTES_MAX })
  const { status } = known.kind
  const facts = { method: request.method, route: request.routeOptions.url, code: known.code }
  // The cause is for whoever runs the gateway; the client gets the code.
  if (status >= 500) log.error({ ...facts, err: known.cause ?? known }, 'request failed')
  else log.debug({ ...facts, detail: known.message }, 'request refused')
  return reply
    .code(status)
    .headers(headersOf(known, request.routeOptions.url))
    .type(PROBLEM_TYPE)
    .serializer((document: unknown) => JSON.stringify(document))
    .send(problemOf(known, 'stranger'))
}
