import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { PullRequestEvent } from '../source-event.ts'
import { isRef } from './git-push.ts'

/** Characters of a forge's time; it is never read, only compared. */
const TIME_CHARACTERS_MAX = 64

/** Where a pull request goes to, by its short name; what is none is as if it were not said. */
export const baseSchema = z
  .string()
  .refine((branch) => isRef(`refs/heads/${branch}`))
  .optional()
  .catch(undefined)

/** When a pull request was last changed, as its forge writes it. */
export const changedSchema = z.string().max(TIME_CHARACTERS_MAX).optional().catch(undefined)

/**
 * What makes a run of its own of a pull request that was sent to another branch: each time, also
 * back to the first. Else the status of what runs for one branch would stand for another's.
 */
export function retarget(base: string | undefined, changedAt = ''): Partial<PullRequestEvent> {
  if (base === undefined) return {}
  // The same for a delivery that is sent again, and of a nonce's length whatever the branch.
  const text = JSON.stringify([base, changedAt])
  const nonce = `base ${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
  return { base, nonce }
}
