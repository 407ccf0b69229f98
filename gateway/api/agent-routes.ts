import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { textSchema } from '../../protocol/api/job-query.ts'
import { agentDocument, agentDocuments } from './agent-view.ts'
import { described, refusals, secured } from './answer.ts'
import type { ApiParts } from './parts.ts'
import { problemResponse as problem } from './problem.ts'
import { agentListSchema, agentSchema } from './schemas.ts'

const nameSchema = z.strictObject({ name: textSchema.describe('its name, or its peer id') })

const orderedSchema = z
  .strictObject({
    name: z.string(),
    peerId: z.string(),
    state: z
      .enum(['starting', 'idle', 'busy', 'paused', 'draining'])
      .describe('what the agent says that it is from now on')
  })
  .meta({ id: 'Ordered' })

const ORDERS = {
  pause: 'Keep an agent from new jobs; what runs goes on',
  drain:
    'The same, of an agent that is to be taken away: `draining` is shown, and outlasts `pause`',
  resume: 'Take back what was ordered so, but for what its owner has ordered on the host'
} as const

/** Agents as this gateway sees them, and what it may tell them as an operator of the mesh. */
export function agentRoutes(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['mesh'], security: secured }
  app.get(
    '/agents',
    {
      schema: {
        summary: 'Every agent of the roster',
        ...common,
        response: { 200: agentListSchema, ...refusals }
      }
    },
    () => ({ agents: agentDocuments(api) })
  )
  app.get(
    '/agents/:name',
    {
      schema: {
        summary: 'One agent of the roster',
        ...common,
        params: nameSchema,
        response: { 200: described('the agent', agentSchema), ...refusals, 404: problem }
      }
    },
    (request) => agentDocument(api, request.params.name)
  )
  for (const order of ['pause', 'drain', 'resume'] as const) {
    app.post(
      `/agents/:name/${order}`,
      {
        schema: {
          summary: ORDERS[order],
          ...common,
          params: nameSchema,
          response: { 200: described('what it is now', orderedSchema), ...refusals, 404: problem }
        }
      },
      async (request) => {
        const { name, peerId } = agentDocument(api, request.params.name)
        const state = await api.orderAgent({ name, peerId }, order, request.caller)
        api.log.info({ agent: name, order, by: request.caller, state }, 'agent ordered')
        return { name, peerId, state }
      }
    )
  }
}
