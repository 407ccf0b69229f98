import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import type { SeenPhase } from '../../protocol/core/job-filter.ts'
import { LOG_PAGE_LINES_MAX, PAGE_ROWS_MAX } from '../../protocol/core/limits.ts'
import {
  admitSchema,
  admittedSchema,
  jobSchema,
  jobsSchema,
  logSchema,
  statusSchema
} from './contract.ts'
import { jobView, jobViewContext } from './job-view.ts'
import { logView } from './log-view.ts'
import type { ControlParts } from './parts.ts'
import { statusView } from './status-view.ts'

const jobParameters = z.strictObject({ id: z.string().min(1).max(64) })

const jobsQuery = z.strictObject({
  state: jobSchema.shape.state.optional(),
  repository: z.string().max(200).optional(),
  ref: z.string().max(300).optional(),
  holder: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(PAGE_ROWS_MAX)
})

const logQuery = z.strictObject({
  epoch: z.coerce.number().int().min(1).optional(),
  from: z.coerce.number().int().min(1).default(1),
  limit: z.coerce.number().int().min(1).max(LOG_PAGE_LINES_MAX).default(LOG_PAGE_LINES_MAX)
})

export function controlRoutes(plain: FastifyInstance, parts: ControlParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const health = z.strictObject({ ok: z.literal(true) })
  app.get('/v1/health', { schema: { response: { 200: health } } }, () => ({ ok: true as const }))
  app.get('/v1/status', { schema: { response: { 200: statusSchema } } }, () => statusView(parts))
  app.get(
    '/v1/jobs',
    { schema: { querystring: jobsQuery, response: { 200: jobsSchema } } },
    (request) => jobsView(parts, request.query)
  )
  app.get(
    '/v1/jobs/:id',
    { schema: { params: jobParameters, response: { 200: jobSchema } } },
    (request) => jobView(findJob(parts, request.params.id), parts, jobViewContext(parts))
  )
  app.get(
    '/v1/jobs/:id/log',
    { schema: { params: jobParameters, querystring: logQuery, response: { 200: logSchema } } },
    (request) => {
      const { epoch, from, limit } = request.query
      return logView(findJob(parts, request.params.id), { epoch, from, limit }, parts)
    }
  )
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
}

function jobsView(parts: ControlParts, query: z.output<typeof jobsQuery>) {
  const { repository, ref, state } = query
  const states = state === undefined ? undefined : ([state] as readonly SeenPhase[])
  const holder = query.holder === undefined ? undefined : peerIdOf(parts, query.holder)
  const { jobs } = parts.board.page({ states, repository, ref, holder }, undefined, query.limit)
  const context = jobViewContext(parts)
  return {
    schema: 'agent.jobs/1' as const,
    at: new Date(context.wallMs).toISOString(),
    jobs: jobs.map((job) => jobView(job, parts, context))
  }
}

/** A member's peer id by its name; text that names nobody matches nothing. */
function peerIdOf(parts: ControlParts, text: string): string {
  const members = parts.roster()?.roster.members ?? []
  return members.find(({ name }) => name === text)?.peerId ?? text
}

/** The job that a full or short id names. Throws JOB_UNKNOWN, JOB_AMBIGUOUS. */
export function findJob(parts: ControlParts, id: string): BoardJob {
  const exact = parts.board.job(id)
  if (exact !== undefined) return exact
  const found = parts.board.find(id)
  if (found.length > 1) {
    const candidates = found.map((jobId) => parts.board.shortId(jobId)).join(', ')
    throw new MeshError('JOB_AMBIGUOUS', { id, candidates })
  }
  const [only] = found
  const job = only === undefined ? undefined : parts.board.job(only)
  if (job === undefined) throw new MeshError('JOB_UNKNOWN', { id })
  return job
}
