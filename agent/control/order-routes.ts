import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { cancelSchema, cancelTerms } from '../../protocol/api/cancel-order.ts'
import { jobContext, jobDocument } from '../../protocol/api/job-document.ts'
import { findJob } from '../../protocol/api/job-lookup.ts'
import { idSchema } from '../../protocol/api/job-query.ts'
import { cancelledSchema, type OrdersView, ordersSchema } from './contract.ts'
import type { ControlParts } from './parts.ts'

/** What the owner orders: to cancel a job anywhere, to drain this agent, to take that back. */
export function orderRoutes(plain: FastifyInstance, parts: ControlParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.post(
    '/v1/jobs/:id/cancel',
    { schema: { params: idSchema, body: cancelSchema, response: { 200: cancelledSchema } } },
    async (request) => {
      const job = findJob(parts.board, request.params.id)
      const terms = cancelTerms(request.body, `asked for on ${parts.name}`)
      const verdict = await parts.cancel(job, terms)
      const now = parts.board.job(job.jobId) ?? job
      const view = jobDocument(now, jobContext(parts))
      return { schema: 'agent.cancelled/1' as const, verdict, job: view }
    }
  )
  const schema = { response: { 200: ordersSchema } }
  app.get('/v1/orders', { schema }, () => ordersView(parts))
  app.post('/v1/drain', { schema }, () => {
    parts.orders.drain()
    return ordersView(parts)
  })
  app.post('/v1/resume', { schema }, () => {
    parts.orders.resume()
    return ordersView(parts)
  })
}

function ordersView({ orders }: ControlParts): OrdersView {
  return { schema: 'agent.orders/1', ...orders.view() }
}
