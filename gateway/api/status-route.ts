import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PAGE_ROWS_MAX } from '../../protocol/core/limits.ts'
import { described, refusals, secured } from './answer.ts'
import type { ApiParts } from './parts.ts'

const statusesSchema = z
  .strictObject({
    open: z.number().int().describe('contexts of which more may have to be told'),
    unsent: z.number().int().describe('of those, what is told and not acknowledged yet'),
    givenUp: z
      .array(
        z.strictObject({
          repository: z.string(),
          runId: z.string(),
          context: z.string(),
          state: z.string().describe('what was not taken'),
          reason: z.string().describe("the forge's, or the receiver's")
        })
      )
      .describe('refused, and not tried again before the next state; newest first')
  })
  .meta({ id: 'Statuses' })

/** What forges and callbacks were not told, for whoever looks after the gateway. */
export function statusRoute(plain: FastifyInstance, { statuses }: ApiParts): void {
  plain.withTypeProvider<ZodTypeProvider>().get(
    '/statuses',
    {
      schema: {
        summary: 'What is still to be told to forges and callbacks, and what was given up',
        tags: ['hooks'],
        security: secured,
        response: { 200: described('counts, and what was given up', statusesSchema), ...refusals }
      }
    },
    () => {
      const { open, unsent } = statuses
      const givenUp = statuses.givenUp(PAGE_ROWS_MAX)
      return { open, unsent, givenUp: givenUp.map(({ settled: _settled, ...row }) => row) }
    }
  )
}
