import { z } from 'zod'
import { parseDuration, type Quantity } from '../core/duration.ts'
import { CANCEL_GRACE_MS_MAX } from '../core/follow-limits.ts'
import type { CancelTerms } from '../core/job.ts'
import { textSchema } from './job-query.ts'

/** Milliseconds of `30s` or `2m`, up to CANCEL_GRACE_MS_MAX; or what is wrong, with the way out. */
export function parseGrace(text: string): Quantity {
  const parsed = parseDuration(text)
  if (parsed.kind === 'problem' || parsed.value <= CANCEL_GRACE_MS_MAX) return parsed
  const minutes = CANCEL_GRACE_MS_MAX / 60_000
  return { kind: 'problem', text: `is too long: at most ${minutes}m are allowed` }
}

const graceSchema = z
  .string()
  .max(32)
  .superRefine((text, { addIssue }) => {
    const parsed = parseGrace(text)
    if (parsed.kind === 'problem') addIssue({ code: 'custom', message: parsed.text })
  })

/** An order to cancel, as both programs take it. */
export const cancelSchema = z.strictObject({
  reason: textSchema.optional().describe('shown with the job; who asked when absent'),
  grace: graceSchema
    .optional()
    .describe(
      'what its steps get after SIGTERM, as in 30s or 2m; 5 s when absent; the first order of a job counts'
    )
})

/** What such an order says; `reason` where it gives none. */
export function cancelTerms(
  { reason, grace }: z.output<typeof cancelSchema>,
  otherwise: string
): CancelTerms {
  const parsed = grace === undefined ? undefined : parseGrace(grace)
  const terms = { reason: reason ?? otherwise }
  return parsed?.kind === 'value' ? { ...terms, graceMs: parsed.value } : terms
}
