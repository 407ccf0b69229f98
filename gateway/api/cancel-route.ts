import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { jobContext, jobDocument } from '../../protocol/api/job-document.ts'
import { findJob } from '../../protocol/api/job-lookup.ts'
import { idSchema } from '../../protocol/api/job-query.ts'
import type { ApiParts } from './parts.ts'
import { problemResponse as problem } from './problem.ts'
import { cancelledSchema, cancelSchema } from './schemas.ts'

/** Ends a job, for whoever has a token of scope `write`. */
export function cancelRoute(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const refusals = Object.fromEntries(
    [400, 401, 403, 404, 409, 429, 500, 503].map((status) => [status, problem])
  )
  app.post(
    '/jobs/:id/cancel',
    {
      schema: {
        summary: 'Cancel a job: a queued one at once, a running one by its holder',
        tags: ['runs'],
        security: [{ token: [] }],
        params: idSchema,
        body: cancelSchema,
        response: { 200: cancelledSchema, ...refusals }
      }
    },
    async (request) => {
      const job = findJob(api.board, request.params.id)
      const verdict = await api.cancel(job, request.body.reason ?? 'asked for by the API')
      const now = api.board.job(job.jobId) ?? job
      return { verdict, job: jobDocument(now, jobContext(api)) }
    }
  )
}
