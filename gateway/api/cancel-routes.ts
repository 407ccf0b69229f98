import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { cancelSchema, cancelTerms } from '../../protocol/api/cancel-order.ts'
import { jobContext, jobDocument } from '../../protocol/api/job-document.ts'
import { idSchema } from '../../protocol/api/job-query.ts'
import { missing, refusals, secured } from './answer.ts'
import { jobToCancel } from './cancel-lookup.ts'
import type { ApiParts } from './parts.ts'
import { cancelRun } from './run-cancel.ts'
import { runIdMeant } from './run-lookup.ts'
import { cancelledSchema, runCancelledSchema } from './schemas.ts'

const REASON = 'asked for by the API'

/** Ends jobs, for whoever has a token of scope `write`. */
export function cancelRoutes(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['runs'], security: secured, params: idSchema, body: cancelSchema }
  app.post(
    '/jobs/:id/cancel',
    {
      schema: {
        summary: 'Cancel a job: a queued one at once, a running one by its holder',
        ...common,
        response: { 200: cancelledSchema, ...refusals, ...missing }
      }
    },
    async (request) => {
      const job = await jobToCancel(api, request.params.id)
      const verdict = await api.cancel(job, cancelTerms(request.body, REASON))
      const now = api.board.job(job.jobId) ?? job
      return { verdict, job: jobDocument(now, jobContext(api)) }
    }
  )
  app.post(
    '/runs/:id/cancel',
    {
      schema: {
        summary: 'Cancel all jobs of a run that have not ended',
        ...common,
        response: { 200: runCancelledSchema, ...refusals, ...missing }
      }
    },
    async (request) => {
      const id = runIdMeant(api, request.params.id)
      return await cancelRun(api, id, cancelTerms(request.body, REASON))
    }
  )
}
