import type { OutcomeState, Reason, StepResult } from '../../protocol/core/job.ts'
import { MESSAGE_BYTES_MAX } from '../../protocol/core/limits.ts'
import type { Outputs } from '../../protocol/core/outputs.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import type { AttemptOutcome, AttemptResult } from './attempt.ts'
import { GUARD_EXITS } from './guard.ts'

/** How a job's steps ended, before it is known how long the whole took. */
export interface Verdict {
  readonly state: OutcomeState
  readonly reason: Reason
  readonly exitCode: number | undefined
  readonly message: string
  readonly steps: readonly StepResult[]
  /** Of a job that succeeded. */
  readonly outputs?: Outputs | undefined
}

export function outcomeOf(verdict: Verdict, durationMs: number): AttemptOutcome {
  const message = cut(verdict.message, MESSAGE_BYTES_MAX)
  return { ...verdict, message, durationMs: Math.round(durationMs) }
}

/** Something of ours kept the job from being run. */
export function errored(spec: JobSpec, reason: Reason, message: string): Verdict {
  const steps = spec.steps.map(({ name }) => notRun(name))
  return { state: 'errored', reason, exitCode: undefined, message, steps }
}

export function notRun(name: string): StepResult {
  return { name, state: 'not_run', exitCode: undefined, durationMs: 0 }
}

type Interrupted = Extract<AttemptResult, { kind: 'interrupted' }>

/** What the end of a container means that nobody of us removed (lease-protocol 4.12.9). */
export function interruption(exitCode: number | undefined, userCodeRan: boolean): Interrupted {
  const kind = 'interrupted'
  if (exitCode === GUARD_EXITS.expired || exitCode === GUARD_EXITS.late) {
    const message = 'the guard ended the container: its lease was over'
    return { kind, reason: 'lease_lost', userCodeRan, message }
  }
  const reason = 'sandbox_failed'
  if (exitCode === GUARD_EXITS.ahead) {
    const message = "the guard refused to start: its clock is not this host's, so no deadline holds"
    // The next job's guard would say the same.
    return { kind, reason, userCodeRan, message, fault: 'host' }
  }
  const message = `the container was ended by somebody else (exit code ${exitCode ?? 'unknown'})`
  return { kind, reason, userCodeRan, message, fault: 'job' }
}

/** A stop that reached the steps by the engine, from an operator say, or as the engine ended. */
export function stoppedByOthers(userCodeRan: boolean): Interrupted {
  const message = 'the container was stopped by somebody else, so how its step ended says nothing'
  return { kind: 'interrupted', reason: 'sandbox_failed', userCodeRan, message, fault: 'job' }
}

/** At most `bytesMax` bytes of UTF-8, never ending inside a character. */
export function cut(text: string, bytesMax: number): string {
  const bytes = new Uint8Array(bytesMax)
  const { read } = new TextEncoder().encodeInto(text, bytes)
  return text.slice(0, read)
}
