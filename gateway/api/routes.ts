import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { jobContext, jobDocument } from '../../protocol/api/job-document.ts'
import { findJob } from '../../protocol/api/job-lookup.ts'
import { idSchema } from '../../protocol/api/job-query.ts'
import { jobSchema } from '../../protocol/api/job-schema.ts'
import { logLineSchema } from '../../protocol/api/log-line-document.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { agentDocuments, healthDocument } from './agent-view.ts'
import { authorize, type Limiter, refusedAuth } from './auth.ts'
import { jobPage } from './job-page.ts'
import { LOG_TYPES, type LogFormat, readWholeLog } from './log-route.ts'
import type { ApiParts } from './parts.ts'
import { problemResponse as problem } from './problem.ts'
import { runDocument, runPage } from './run-view.ts'
import {
  agentListSchema,
  healthSchema,
  jobPageSchema,
  jobQuerySchema,
  logQuerySchema,
  runPageSchema,
  runQuerySchema,
  runSchema
} from './schemas.ts'
import type { TokenStore } from './token-store.ts'

export interface ApiRouteParts {
  readonly api: ApiParts
  readonly tokens: Pick<TokenStore, 'find'>
  readonly failures: Limiter
}

const EPOCH_HEADER = 'runner-mesh-epoch'

/** What every route with a token may answer besides its own. */
const refusals = {
  400: problem,
  401: problem,
  403: problem,
  429: problem,
  500: problem,
  503: problem
}
/**
 * A schema of components.schemas cannot say what it is here: a reference has no words of its own.
 */
function described<S extends z.ZodType>(description: string, schema: S) {
  return { description, content: { 'application/json': { schema } } }
}

const secured = [{ token: [] }]

/** /api/v1: reading, each request with a token of scope `read`. */
export function apiRoutes(plain: FastifyInstance, parts: ApiRouteParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.addHook('onRequest', async (request) => {
    try {
      await authorize(parts.tokens, request.headers.authorization, 'read')
    } catch (error) {
      if (!(error instanceof MeshError) || error.code !== 'TOKEN_INVALID') throw error
      throw await refusedAuth(parts.failures, request, error)
    }
  })
  runRoutes(plain, parts.api)
  jobRoutes(plain, parts.api)
  app.get(
    '/agents',
    {
      schema: {
        summary: 'Every agent of the roster',
        tags: ['mesh'],
        security: secured,
        response: { 200: agentListSchema, ...refusals }
      }
    },
    () => ({ agents: agentDocuments(parts.api) })
  )
}

function runRoutes(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['runs'], security: secured }
  app.get(
    '/runs',
    {
      schema: {
        summary: 'Recorded runs, newest first',
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
        response: { 200: described('the run', runSchema), ...refusals, 404: problem, 409: problem }
      }
    },
    (request) => runDocument(api, request.params.id)
  )
}

function jobRoutes(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['runs'], security: secured }
  const missing = { 404: problem, 409: problem }
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
      'application/x-ndjson': { schema: logLineSchema.describe('one a line') }
    }
  }
  app.get(
    '/jobs/:id/log',
    {
      schema: {
        summary: 'The log of one attempt as far as it goes, as text or one JSON document a line',
        ...common,
        params: idSchema,
        querystring: logQuerySchema,
        response: { 200: lines, ...refusals, ...missing }
      }
    },
    async (request, reply) => {
      const { from, epoch, format: wanted } = request.query
      const ndjson = request.headers.accept?.includes('application/x-ndjson') === true
      const format: LogFormat = wanted ?? (ndjson ? 'json' : 'text')
      const job = findJob(api.board, request.params.id)
      const log = await readWholeLog(api, job, { from, epoch, format })
      reply.header(EPOCH_HEADER, log.epoch).header('vary', 'accept')
      reply.type(LOG_TYPES[format])
      return log.body
    }
  )
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
}
