import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { asHttpError } from '../../protocol/api/http-error.ts'
import { findJob } from '../../protocol/api/job-lookup.ts'
import { idSchema } from '../../protocol/api/job-query.ts'
import { problemOf } from '../../protocol/api/problem.ts'
import { DELIVERY_BYTES_MAX } from '../../protocol/core/limits.ts'
import { countingFailures, type Limiter } from '../api/auth.ts'
import { LOG_TYPES, readWholeLog } from '../api/log-route.ts'
import type { ApiParts } from '../api/parts.ts'
import { headersOf } from '../api/problem.ts'
import { logQuerySchema } from '../api/schemas.ts'
import type { TokenStore } from '../api/token-store.ts'
import { html } from './html.ts'
import { jobHtml } from './job-html.ts'
import { PAGE_HEADERS, page } from './layout.ts'
import { CHALLENGE, mayRead } from './page-auth.ts'
import { runHtml } from './run-html.ts'

export interface PageRouteParts {
  readonly api: ApiParts
  readonly tokens: Pick<TokenStore, 'find'>
  readonly failures: Limiter
}

/** What the links of commit statuses lead to: pages for people, who have a token as well. */
export function pageRoutes(
  plain: FastifyInstance,
  { api, tokens, failures }: PageRouteParts
): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.addHook('onRequest', async (request) => {
    await countingFailures(failures, request, () => mayRead(tokens, request.headers.authorization))
  })
  app.setErrorHandler((error, request, reply) => refusal(api, error, request, reply))
  const schema = { hide: true, params: idSchema }
  app.get('/runs/:id', { schema }, async (request, reply) => {
    return reply.headers(PAGE_HEADERS).send(await runHtml(api, request.params.id))
  })
  app.get('/jobs/:id', { schema }, async (request, reply) => {
    return reply.headers(PAGE_HEADERS).send(await jobHtml(api, request.params.id))
  })
  const logSchema = { ...schema, querystring: logQuerySchema.omit({ format: true }) }
  // Fastify's own HEAD would read the stream to its end.
  app.get(
    '/jobs/:id/log',
    { exposeHeadRoute: false, schema: logSchema },
    async (request, reply) => {
      const { from, epoch } = request.query
      const job = findJob(api.board, request.params.id)
      const log = await readWholeLog(api, job, { from, epoch, format: 'text' })
      reply.type(LOG_TYPES.text).header('cache-control', 'no-store')
      return reply.send(log.body)
    }
  )
}

const HOW_TO_SIGN_IN =
  'This gateway shows runs, jobs and logs to whoever has a token of scope read. ' +
  'Reload this page: the browser asks for user and password. The user can be anything, ' +
  'the password is the token. Whoever runs the gateway makes one with: gateway token create --scope read'

function refusal(
  { log }: ApiParts,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply
): FastifyReply {
  const known = asHttpError(error, { contentType: undefined, bodyBytesMax: DELIVERY_BYTES_MAX })
  const { status } = known.kind
  const facts = { method: request.method, route: request.routeOptions.url, code: known.code }
  if (status >= 500) log.error({ ...facts, err: known.cause ?? known }, 'page failed')
  else log.debug({ ...facts, detail: known.message }, 'page refused')
  const { title, detail } = problemOf(known, 'stranger')
  const body = html`<h1>${title}</h1><p>${detail}</p>
${status === 401 ? html`<p>${HOW_TO_SIGN_IN}</p>` : ''}`
  const headers = { ...headersOf(known, request.routeOptions.url), ...PAGE_HEADERS }
  const challenge = status === 401 ? { 'www-authenticate': CHALLENGE } : {}
  return reply
    .code(status)
    .headers({ ...headers, ...challenge })
    .send(page(title, body))
}
