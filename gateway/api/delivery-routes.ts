import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { described, refusals, secured } from './answer.ts'
import {
  deliveryDetailSchema,
  deliveryIdSchema,
  deliveryPageSchema,
  deliveryQuerySchema
} from './delivery-schemas.ts'
import { deliveryDetail, deliveryKeyOf, deliveryPage } from './delivery-view.ts'
import type { ApiParts } from './parts.ts'
import { problemResponse as problem } from './problem.ts'
import { receptionView } from './reception-view.ts'
import { receptionSchema } from './schemas.ts'

/** What has come to this gateway, and what became of it. */
export function deliveryRoutes(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['hooks'], security: secured }
  app.get(
    '/deliveries',
    {
      schema: {
        summary: 'Deliveries that this gateway keeps, newest first',
        ...common,
        querystring: deliveryQuerySchema,
        response: { 200: deliveryPageSchema, ...refusals }
      }
    },
    (request) => deliveryPage(api, request.query)
  )
  app.get(
    '/deliveries/:id',
    {
      schema: {
        summary: 'One delivery',
        ...common,
        params: deliveryIdSchema,
        response: { 200: deliveryDetailSchema, ...refusals, 404: problem }
      }
    },
    (request) => deliveryDetail(api, request.params.id)
  )
  app.post(
    '/deliveries/:id/replay',
    {
      schema: {
        summary: 'Judge a delivery anew that came to nothing; one that has a run is a duplicate',
        ...common,
        params: deliveryIdSchema,
        response: {
          202: described('what becomes of it', receptionSchema),
          ...refusals,
          404: problem
        }
      }
    },
    async (request, reply) => {
      const { id } = request.params
      const reception = await api.door.replay(deliveryKeyOf(id), id)
      api.log.info({ ...reception, by: request.caller }, 'delivery replayed')
      return await reply.code(202).send(receptionView(reception))
    }
  )
}
