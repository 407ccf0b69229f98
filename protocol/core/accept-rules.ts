import type { Ballot } from './ballot.ts'
import { profileOf } from './lease-profile.ts'
import { heldJob, sameClaim } from './lease-timer.ts'
import { BALLOT_JUMP_MAX } from './limits.ts'
import type { RegisterValue } from './messages.ts'
import type { Digest } from './ports.ts'
import { reduce } from './register-reducer.ts'
import { sameValue } from './same-value.ts'
import { valueProblem } from './value-rules.ts'

export interface AcceptFacts {
  readonly leaseMs: number
  readonly valueValid: boolean
  readonly digest: Digest
}

/** Why a ballot's round must not be promised or accepted above `highest`. */
export function roundProblem(
  ballot: Ballot,
  highest: Ballot
): 'invalid' | 'ballot_jump' | undefined {
  // NaN and fractions compare as neither lower nor higher: they would slip through every test
  // below.
  if (!Number.isSafeInteger(ballot.round) || ballot.round < 1) return 'invalid'
  // One giant round would leave no higher one for anybody else.
  return ballot.round > highest.round + BALLOT_JUMP_MAX ? 'ballot_jump' : undefined
}

/** Why `value` must not follow `known` at a witness, whatever the ballot; undefined when it may. */
export function acceptProblem(
  known: RegisterValue | undefined,
  register: string,
  value: RegisterValue,
  context: AcceptFacts
): string | undefined {
  const { digest } = context
  const shape = valueProblem(register, value)
  if (shape !== undefined) return shape
  if (!context.valueValid) return 'an op of the value is not signed by its actor'
  if (!hasItsLength(known, value, context.leaseMs)) return 'lease length of no roster'
  if (!hasItsTerms(known, value)) return 'attempts of another create'
  const first = value.prevHash === ''
  // A value made from one that this witness missed cannot be made again here: its signatures, its
  // shape and the guard must do.
  if (!first && (known === undefined || value.prevHash !== digest.hash(known))) return
  const reduction = reduce(first ? undefined : known, register, value.op, digest)
  const same = reduction.kind === 'next' && sameValue(reduction.value, value, digest)
  return same ? undefined : 'the value is not what its op makes of the one before'
}

// They come from the announcement, which is asked for once: a proposer could else give a job more
// attempts by a value that is made of none that this witness knows.
function hasItsTerms(known: RegisterValue | undefined, value: RegisterValue): boolean {
  if (known?.kind !== 'job' || value.kind !== 'job' || known.annHash !== value.annHash) return true
  const { attemptsMax, retriesMax = 0 } = known
  return attemptsMax === value.attemptsMax && retriesMax === (value.retriesMax ?? 0)
}

// A longer lease would outlive the timers of the others, a shorter one be taken over alive. It has
// the length of its claim's roster for ever, also where the job has moved to those of another.
function hasItsLength(
  known: RegisterValue | undefined,
  value: RegisterValue,
  leaseMs: number
): boolean {
  const job = heldJob(value)
  if (job === undefined) return true
  const length = job.lease.leaseMs
  if (sameClaim(known, value)) return length === heldJob(known)?.lease.leaseMs
  return job.op.body.kind === 'claim' ? length === leaseMs : profileOf(length) !== undefined
}
