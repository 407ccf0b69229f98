import { z } from 'zod'
import { eventSchema, rowsSchema, textSchema, wordsSchema } from '../../protocol/api/job-query.ts'

/* Deliveries as the API shows them; apart from what the inbox keeps, on purpose. */

const deliveryStateSchema = z.enum(['received', 'waiting', 'recorded', 'ignored', 'errored'])

const deliveryShape = {
  id: z.string().describe('of this API, for paths'),
  delivery: z.string().describe('as its sender names it'),
  repository: z.string(),
  run: z.string().nullable(),
  receivedAt: z.iso.datetime(),
  state: deliveryStateSchema.describe(
    '`received` until its run is recorded on a quorum; `waiting` for an approval'
  ),
  reason: z.string().nullable().describe('why it is in this state'),
  approvedBy: z.string().nullable()
}

export const deliverySchema = z
  .strictObject(deliveryShape)
  .meta({ id: 'Delivery', description: 'one delivery' })

export const deliveryDetailSchema = z
  .strictObject({
    ...deliveryShape,
    event: z.strictObject({
      kind: eventSchema,
      ref: z.string(),
      commit: z.string(),
      number: z.number().int().nullable().describe('of a pull request'),
      pusher: z.string().describe('who is said to have caused it')
    })
  })
  .describe('the delivery, with what it says')

export const deliveryPageSchema = z
  .strictObject({
    deliveries: z.array(deliverySchema),
    next: z.string().nullable().describe('cursor of the next page; null on the last one')
  })
  .describe('one page of deliveries')

export const deliveryQuerySchema = z.strictObject({
  state: wordsSchema
    .pipe(z.array(deliveryStateSchema).min(1))
    .optional()
    .describe('one or several, with commas'),
  repository: textSchema.optional(),
  cursor: z.coerce.number().int().min(1).optional().describe('`next` of the page before'),
  limit: rowsSchema
})

/** Of 256 bytes at most: STORE_NAME_CHARACTERS_MAX of the key, in base64url. */
export const deliveryIdSchema = z.strictObject({ id: z.string().min(1).max(1_400) })

export type DeliveryDocument = z.infer<typeof deliverySchema>
export type DeliveryDetail = z.infer<typeof deliveryDetailSchema>
export type DeliveryPageDocument = z.infer<typeof deliveryPageSchema>
export type DeliveryQuery = z.infer<typeof deliveryQuerySchema>
