import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { EVENT_STREAM_TYPE } from '../../protocol/api/event-stream.ts'
import { jobContext, jobDocument } from '../../protocol/api/job-document.ts'
import { findJob } from '../../protocol/api/job-lookup.ts'
import {
  count,
  idSchema,
  jobFilterOf,
  jobFilterShape,
  logStartShape,
  rowsSchema
} from '../../protocol/api/job-query.ts'
import { jobSchema } from '../../protocol/api/job-schema.ts'
import { EVENT_STREAM_HEADERS, followStart } from '../../protocol/api/log-streams.ts'
import { METRICS_TYPE } from '../../protocol/api/metrics.ts'
import { whyDocument } from '../../protocol/api/why-document.ts'
import { whySchema } from '../../protocol/api/why-schema.ts'
import { LOG_PAGE_LINES_MAX } from '../../protocol/core/limits.ts'
import { digest } from '../../protocol/wire/digest.ts'
import {
  admitSchema,
  admittedSchema,
  inviteRequestSchema,
  inviteSchema,
  type JobsView,
  jobsSchema,
  logSchema,
  reseatedSchema,
  reseatSchema,
  revokedSchema,
  revokeSchema,
  statusSchema
} from './contract.ts'
import { logView } from './log-view.ts'
import { orderRoutes } from './order-routes.ts'
import type { ControlParts } from './parts.ts'
import { reseatedView } from './reseated-view.ts'
import { revokedView } from './revoked-view.ts'
import { statusView } from './status-view.ts'

const jobsQuery = z.strictObject({ ...jobFilterShape, limit: rowsSchema })

const logQuery = z.strictObject({
  ...logStartShape,
  limit: count(1, LOG_PAGE_LINES_MAX, LOG_PAGE_LINES_MAX)
})

export function controlRoutes(plain: FastifyInstance, parts: ControlParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const health = z.strictObject({ ok: z.literal(true) })
  app.get('/v1/health', { schema: { response: { 200: health } } }, () => ({ ok: true as const }))
  app.get('/metrics', async (_request, reply) => {
    return reply.type(METRICS_TYPE).send(await parts.metrics.text())
  })
  app.get('/v1/status', { schema: { response: { 200: statusSchema } } }, () => statusView(parts))
  app.get(
    '/v1/jobs',
    { schema: { querystring: jobsQuery, response: { 200: jobsSchema } } },
    (request) => jobsView(parts, request.query)
  )
  app.get(
    '/v1/jobs/:id',
    { schema: { params: idSchema, response: { 200: jobSchema } } },
    (request) => jobDocument(findJob(parts.board, request.params.id), jobContext(parts))
  )
  app.get(
    '/v1/jobs/:id/why',
    { schema: { params: idSchema, response: { 200: whySchema } } },
    (request) => whyDocument(findJob(parts.board, request.params.id), parts, digest())
  )
  app.get(
    '/v1/jobs/:id/log',
    { schema: { params: idSchema, querystring: logQuery, response: { 200: logSchema } } },
    (request) => {
      const { epoch, from, limit } = request.query
      return logView(findJob(parts.board, request.params.id), { epoch, from, limit }, parts)
    }
  )
  streamRoute(plain, parts)
  orderRoutes(plain, parts)
  app.post(
    '/v1/members',
    { schema: { body: admitSchema, response: { 200: admittedSchema } } },
    async (request) => {
      const { version, witnessEpoch } = await parts.admit(request.body)
      return {
        schema: 'agent.admitted/1' as const,
        name: request.body.name,
        peerId: request.body.id.split('/')[0] ?? '',
        rosterVersion: version,
        witnessEpoch,
        pushed: true
      }
    }
  )
  app.post(
    '/v1/seats',
    { schema: { body: reseatSchema, response: { 200: reseatedSchema } } },
    async (request) => reseatedView(await parts.reseat(request.body), true)
  )
  app.post(
    '/v1/revocations',
    { schema: { body: revokeSchema, response: { 200: revokedSchema } } },
    async (request) => revokedView(await parts.revoke(request.body), true)
  )
  app.post(
    '/v1/invites',
    { schema: { body: inviteRequestSchema, response: { 200: inviteSchema } } },
    (request) => parts.invite(request.body)
  )
}

/** The log as an event stream, from the line after `last-event-id` to the end of the job. */
function streamRoute(plain: FastifyInstance, parts: ControlParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const querystring = z.strictObject(logStartShape)
  app.get(
    '/v1/jobs/:id/log/stream',
    // Fastify's own HEAD reads the stream to its end: it would keep its place in the list.
    { exposeHeadRoute: false, schema: { params: idSchema, querystring } },
    (request, reply) => {
      const job = findJob(parts.board, request.params.id)
      const start = followStart(request.query, request.headers['last-event-id'])
      const body = parts.streams.open(parts.follow, job, start)
      return reply.headers(EVENT_STREAM_HEADERS).type(EVENT_STREAM_TYPE).send(body)
    }
  )
}

function jobsView(parts: ControlParts, query: z.output<typeof jobsQuery>): JobsView {
  const filter = jobFilterOf(query, parts.roster())
  const { jobs } = parts.board.page(filter, undefined, query.limit)
  const context = jobContext(parts)
  return {
    schema: 'agent.jobs/1',
    at: new Date(context.wallMs).toISOString(),
    jobs: jobs.map((job) => jobDocument(job, context))
  }
}
