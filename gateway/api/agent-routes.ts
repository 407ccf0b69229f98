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

/** Agents as this gateway sees them. What they take they are told on their own hosts. */
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
}
