import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { EVENT_STREAM_TYPE } from '../../protocol/api/event-stream.ts'
import { jobContext, jobDocument } from '../../protocol/api/job-document.ts'
import { findJob } from '../../protocol/api/job-lookup.ts'
import { idSchema } from '../../protocol/api/job-query.ts'
import { jobSchema } from '../../protocol/api/job-schema.ts'
import { logLineSchema } from '../../protocol/api/log-line-document.ts'
import { EVENT_STREAM_HEADERS, followStart } from '../../protocol/api/log-streams.ts'
import { whyDocument } from '../../protocol/api/why-document.ts'
import { whySchema } from '../../protocol/api/why-schema.ts'
import { pipelineSchemaText } from '../../protocol/pipeline/json-schema.ts'
import { digest } from '../../protocol/wire/digest.ts'
import { agentRoutes } from './agent-routes.ts'
import { healthDocument } from './agent-view.ts'
import { described, missing, refusals, secured } from './answer.ts'
import { approvalRoute } from './approval-route.ts'
import { authorize, callerOf, countingFailures, type Limiter } from './auth.ts'
import { cancelRoutes } from './cancel-routes.ts'
import { deliveryRoutes } from './delivery-routes.ts'
import { jobPage } from './job-page.ts'
import { LOG_TYPES, type LogFormat, readWholeLog } from './log-route.ts'
import { orderRoutes } from './order-routes.ts'
import type { ApiParts } from './parts.ts'
import { problemResponse as problem } from './problem.ts'
import { runPage } from './run-page.ts'
import { runDocument } from './run-view.ts'
import {
  healthSchema,
  jobPageSchema,
  jobQuerySchema,
  logQuerySchema,
  runPageSchema,
  runQuerySchema,
  runSchema
} from './schemas.ts'
import { statusRoute } from './status-route.ts'
import type { TokenStore } from './token-store.ts'

export interface ApiRouteParts {
  readonly api: ApiParts
  readonly tokens: Pick<TokenStore, 'find'>
  readonly failures: Limiter
}

const JSON_SCHEMA_TYPE = 'application/schema+json'
const EPOCH_HEADER = 'runner-mesh-epoch'

/** What the document says of the event stream. */
const FOLLOWED =
  '`line` with id EPOCH.LINE (a `last-event-id` header goes on after it), `attempt` when another ' +
  'attempt begins, `queued` with why, `end` with the job and whether its log is whole'

/** /api/v1: each request with a token, of scope `read` to read and `write` to order. */
export function apiRoutes(plain: FastifyInstance, parts: ApiRouteParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.decorateRequest('caller', '')
  app.decorateRequest('isTrusted', false)
  app.addHook('onRequest', async (request) => {
    const scope = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'write'
    const record = await countingFailures(parts.failures, request, () => {
      return authorize(parts.tokens, request.headers.authorization, scope)
    })
    request.caller = callerOf(record)
    request.isTrusted = record.scopes.includes('trusted')
  })
  runRoutes(plain, parts.api)
  orderRoutes(plain, parts.api)
  approvalRoute(plain, parts.api)
  jobRoutes(plain, parts.api)
  logRoute(plain, parts.api)
  cancelRoutes(plain, parts.api)
  agentRoutes(plain, parts.api)
  deliveryRoutes(plain, parts.api)
  statusRoute(plain, parts.api)
}

function runRoutes(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['runs'], security: secured }
  app.get(
    '/runs',
    {
      schema: {
        summary: 'Recorded runs, and those that wait for an approval here, newest first',
        ...common,
        querystring: runQuerySchema,
        response: { 200: runPageSchema, ...refusals }
      }
    },
    (request) => runPage(api, request.query)
  )
  app.get(
    '/runs/:id',
    {
      schema: {
        summary: 'One run, by its full or short id',
        ...common,
        params: idSchema,
        response: { 200: described('the run', runSchema), ...refusals, ...missing }
      }
    },
    (request) => runDocument(api, request.params.id)
  )
}

function jobRoutes(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['runs'], security: secured }
  app.get(
    '/jobs',
    {
      schema: {
        summary: 'Jobs, newest run first',
        ...common,
        querystring: jobQuerySchema,
        response: { 200: jobPageSchema, ...refusals }
      }
    },
    (request) => jobPage(api, request.query)
  )
  app.get(
    '/jobs/:id',
    {
      schema: {
        summary: 'One job, by its full or short id',
        ...common,
        params: idSchema,
        response: { 200: described('the job', jobSchema), ...refusals, ...missing }
      }
    },
    (request) => jobDocument(findJob(api.board, request.params.id), jobContext(api))
  )
  app.get(
    '/jobs/:id/why',
    {
      schema: {
        summary: 'Why a job waits: each known host, each requirement, and what would help',
        ...common,
        params: idSchema,
        response: { 200: described('why it waits', whySchema), ...refusals, ...missing }
      }
    },
    (request) => whyDocument(findJob(api.board, request.params.id), api, digest())
  )
}

function logRoute(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['runs'], security: secured }
  const lines = {
    description: 'the lines, in order',
    headers: {
      [EPOCH_HEADER]: {
        type: 'integer',
        minimum: 0,
        description: 'Epoch of the attempt whose log it is; 0 where nothing was logged.'
      }
    },
    content: {
      // Sent as a stream of bytes: there is no document to check.
      'text/plain': { schema: z.unknown().meta({ type: 'string' }) },
      'application/x-ndjson': { schema: logLineSchema.describe('one a line') },
      'text/event-stream': { schema: z.unknown().meta({ type: 'string', description: FOLLOWED }) }
    }
  }
  app.get(
    '/jobs/:id/log',
    {
      // Fastify's own HEAD reads the stream to its end: a followed log would keep its place.
      exposeHeadRoute: false,
      schema: {
        summary:
          'The log of one attempt as far as it goes, as text or one JSON document a line; ' +
          'as an event stream it is followed to the end of the job',
        ...common,
        params: idSchema,
        querystring: logQuerySchema,
        response: { 200: lines, ...refusals, ...missing }
      }
    },
    async (request, reply) => {
      const { from, epoch, format: wanted } = request.query
      const ndjson = accepts(request, 'application/x-ndjson')
      const format: LogFormat = wanted ?? (ndjson ? 'json' : 'text')
      const job = findJob(api.board, request.params.id)
      if (wanted === undefined && accepts(request, EVENT_STREAM_TYPE)) {
        const start = followStart(request.query, request.headers['last-event-id'])
        const body = api.streams.open(api.follow, job, start)
        return reply.headers(EVENT_STREAM_HEADERS).type(EVENT_STREAM_TYPE).send(body)
      }
      const log = await readWholeLog(api, job, { from, epoch, format })
      reply.header(EPOCH_HEADER, log.epoch).header('vary', 'accept')
      reply.type(LOG_TYPES[format])
      return log.body
    }
  )
}

function accepts({ headers }: FastifyRequest, type: string): boolean {
  return headers.accept?.includes(type) === true
}

/** Without a token: a load balancer and a person at a browser ask these. */
export function openRoutes(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.get(
    '/healthz',
    {
      schema: {
        summary: 'Whether a quorum of witnesses answers; 503 where it does not',
        tags: ['mesh'],
        response: { 200: healthSchema, 429: problem, 500: problem, 503: healthSchema }
      }
    },
    async (_request, reply) => {
      const health = healthDocument(api)
      return await reply.code(health.status === 'ok' ? 200 : 503).send(health)
    }
  )
  app.get('/api/openapi.json', { schema: { hide: true } }, () => app.swagger())
  app.get('/schema/pipeline.json', { schema: { hide: true } }, (_request, reply) => {
    return reply.type(JSON_SCHEMA_TYPE).send(pipelineSchemaText())
  })
}
