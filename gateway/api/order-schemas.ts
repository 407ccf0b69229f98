import { z } from 'zod'
import { textSchema } from '../../protocol/api/job-query.ts'
import { INPUTS_MAX } from '../../protocol/core/graph-limits.ts'
import { NAME_CHARACTERS_MAX, PIPELINE_BYTES_MAX } from '../../protocol/core/limits.ts'
import { ORDER_KEY_CHARACTERS_MAX } from '../../protocol/core/order-limits.ts'
import { inputNameProblem } from '../../protocol/pipeline/events.ts'
import { inputValueProblem } from '../../protocol/pipeline/text.ts'
import { commitIdSchema } from '../hooks/git-push.ts'

/* What orders for runs say. */

/** What no announcement could hold is refused here, before it is an errored run. */
function fits(problemOf: (text: string) => string | undefined) {
  return z.refine<string>((text) => problemOf(text) === undefined, {
    error: ({ input }) => problemOf(String(input))
  })
}

const inputSchema = z.string().check(fits(inputValueProblem))

export const orderHeadersSchema = z.looseObject({
  'idempotency-key': z
    .string()
    .max(ORDER_KEY_CHARACTERS_MAX)
    .regex(/^[\x21-\x7e]+$/, 'visible ASCII characters are needed')
    .optional()
    .describe('an order with the key of one before is that one, whatever else it says')
})

export const retrySchema = z
  .strictObject({
    jobs: z
      .enum(['all', 'failed'])
      .default('all')
      .describe('failed: those that did not succeed, and what they need')
  })
  .nullish()

export const startSchema = z.strictObject({
  repository: z.string().min(1).max(NAME_CHARACTERS_MAX).describe('as gateway.yaml names it'),
  ref: textSchema
    .optional()
    .describe('main, v1 or a full ref; without it, the one branch or tag that `commit` is at'),
  commit: commitIdSchema
    .optional()
    .describe('full id of the commit at which the branch or tag is; without it, whichever that is'),
  pipeline: z
    .string()
    .min(1)
    .max(PIPELINE_BYTES_MAX)
    .optional()
    .describe(
      "in place of the commit's pipeline file, with `on.manual`; it runs untrusted, without " +
        'secrets, unless the token has the scope `trusted`'
    ),
  inputs: z
    .record(z.string().max(NAME_CHARACTERS_MAX).check(fits(inputNameProblem)), inputSchema)
    .refine((inputs) => Object.keys(inputs).length <= INPUTS_MAX, `at most ${INPUTS_MAX} inputs`)
    .default({})
    .describe('as on.manual.inputs of the pipeline file declares them')
})
