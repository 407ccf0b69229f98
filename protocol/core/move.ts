import type { JobPhase, JobState } from './job.ts'
import type { RegisterValue } from './messages.ts'

/**
 * The first value of a moved job under its new witness epoch: the stop-sign with the phase that it
 * had. Every member makes the same bytes of it, so that whoever comes first may begin the register.
 *
 * Only of a `moved` that is known as chosen: one that is not may still lose against a claim, and the
 * job would live in two registers (lease-protocol 4.9).
 */
export function landingOf(moved: JobState): JobState | undefined {
  if (moved.phase !== 'moved') return
  const { moved: _, ...rest } = moved
  return { ...rest, phase: moved.lease === undefined ? 'queued' : 'leased' }
}

/** True for the value with which a moved job begins anew: it was chosen where it came from. */
export function isLanding(value: RegisterValue): boolean {
  return value.kind === 'job' && value.op.body.kind === 'move' && value.phase !== 'moved'
}

/** Why a value with a move, or a seal, has no place under this witness epoch. */
export function epochProblem(value: RegisterValue, witnessEpoch: number): string | undefined {
  const target = targetOf(value)
  if (target === undefined) return
  // Landed where it was sent to, or gone to a later epoch: else a landing, played back at the old
  // witnesses, would take the stop-sign down.
  const hasGone = value.phase === 'moved' || value.phase === 'superseded'
  const fits = hasGone ? target > witnessEpoch : target === witnessEpoch
  return fits ? undefined : 'moved from or to another witness epoch'
}

function targetOf(value: RegisterValue): number | undefined {
  if (value.kind === 'run') return value.supersededBy
  return value.op.body.kind === 'move' ? value.op.body.witnessEpoch : undefined
}

/** The phase as people see it: a job that has moved is where it was, only elsewhere. */
export function phaseShown(job: JobState | undefined): Exclude<JobPhase, 'moved'> {
  const { phase = 'queued', lease } = job ?? {}
  if (phase !== 'moved') return phase
  return lease === undefined ? 'queued' : 'leased'
}
