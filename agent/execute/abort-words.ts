import { MeshError } from '../../protocol/core/errors.ts'
import type { Reason } from '../../protocol/core/job.ts'

/** Why an attempt was ended from outside, for its outcome and for its log. */
export function abortWords(reason: unknown): readonly [Reason, string] {
  if (reason === 'cancelled') return ['cancelled', 'the job was cancelled']
  if (reason === 'drained') return ['drained', 'the agent is stopping and gave the job back']
  if (reason instanceof MeshError) return ['lease_lost', reason.message]
  return ['lease_lost', 'the lease was lost']
}
