import type { StepResult } from '../../protocol/core/job.ts'
import type { StepSpec } from '../../protocol/core/run.ts'
import type { AttemptResult } from './attempt.ts'
import { GUARD_EXITS } from './guard.ts'
import { interruption, notRun, stoppedByOthers, type Verdict } from './outcome.ts'
import type { StepEnd } from './sandbox.ts'
import { runStep, type StepCut, type StepsParts } from './step.ts'
import { Stopwatch } from './stopwatch.ts'

type Interrupted = Extract<AttemptResult, { kind: 'interrupted' }>
export type StepsEnd = { readonly kind: 'verdict'; readonly verdict: Verdict } | Interrupted

/**
 * Runs the steps one after the other until one does not succeed. The job's time counts from here:
 * getting image and source is ours and has limits of its own. Rejects with the signal's reason.
 */
export async function runSteps(parts: StepsParts): Promise<StepsEnd> {
  const { input, clock } = parts
  const { steps, timeoutMs } = input.spec
  const jobEndMs = clock.bootMs() + timeoutMs
  const results: StepResult[] = []
  for (const [index, step] of steps.entries()) {
    if (input.terminate?.aborted === true) return leaseNearEnd()
    input.onStage({ name: 'step', step: index + 1, steps: steps.length })
    const stopwatch = new Stopwatch()
    const end = await runStep(parts, index, jobEndMs)
    const judged = judge(parts, step, end, Math.round(stopwatch.ms()))
    if (judged.kind === 'interrupted') return judged
    results.push(judged.result)
    if (judged.verdict !== undefined) {
      const rest = steps.slice(index + 1).map(({ name }) => notRun(name))
      return { kind: 'verdict', verdict: { ...judged.verdict, steps: [...results, ...rest] } }
    }
  }
  const message = `${steps.length} ${steps.length === 1 ? 'step' : 'steps'} succeeded`
  const verdict = { state: 'succeeded', reason: 'completed', exitCode: 0, message } as const
  return { kind: 'verdict', verdict: { ...verdict, steps: results } }
}

type Judged =
  | Interrupted
  | {
      readonly kind: 'judged'
      readonly result: StepResult
      /** Set where the job ends with this step. */
      readonly verdict: Omit<Verdict, 'steps'> | undefined
    }

function judge(parts: StepsParts, step: StepSpec, end: StepEnd | StepCut, ms: number): Judged {
  const { name } = step
  const done = (
    state: StepResult['state'],
    exitCode: number | undefined,
    verdict: Omit<Verdict, 'steps'> | undefined
  ): Judged => ({ kind: 'judged', result: { name, state, exitCode, durationMs: ms }, verdict })
  switch (end.kind) {
    case 'timed_out':
      return done('timed_out', undefined, timedOut(name, end))
    case 'not_started':
      return done('not_run', undefined, notStarted(name, end.cause))
    case 'died':
      if (end.oom) return done('failed', end.exitCode, outOfMemory(parts, name, end.exitCode))
      return interruption(isOver(parts) ? GUARD_EXITS.expired : end.exitCode, true)
    case 'stopped':
      return isOver(parts) ? interruption(GUARD_EXITS.expired, true) : stoppedByOthers(true)
    case 'exited':
      // After our SIGTERM, or past the deadline, an exit code is our doing, whatever it says.
      if (parts.input.terminate?.aborted === true) return leaseNearEnd()
      if (end.code === 0) return done('succeeded', 0, undefined)
      if (isOver(parts)) return interruption(GUARD_EXITS.expired, true)
      if (end.oom) return done('failed', end.code, outOfMemory(parts, name, end.code))
      return done('failed', end.code, failed(name, end.code))
    default:
      return end satisfies never
  }
}

/** Past the deadline whatever ends a step is the lifeline, or comes too late to count. */
function isOver({ clock, input }: StepsParts): boolean {
  return clock.bootMs() >= input.deadlineMs()
}

function failed(name: string, exitCode: number): Omit<Verdict, 'steps'> {
  const message = `step "${name}" exited ${exitCode}`
  return { state: 'failed', reason: 'exit_code', exitCode, message }
}

function outOfMemory(
  parts: StepsParts,
  name: string,
  exitCode: number | undefined
): Omit<Verdict, 'steps'> {
  const mib = Math.floor(parts.input.spec.resources.memoryBytes / 1_048_576)
  const message =
    `step "${name}" needed more than the job's ${mib} MiB of memory: ` +
    'raise resources.memory, or use less'
  return { state: 'failed', reason: 'oom_killed', exitCode, message }
}

function timedOut(name: string, cut: StepCut): Omit<Verdict, 'steps'> {
  const message =
    cut.of === 'step'
      ? `step "${name}" ran longer than its ${cut.limitMs} ms: raise its timeout`
      : `the job ran longer than its ${cut.limitMs} ms, in step "${name}": raise its timeout`
  return { state: 'failed', reason: 'timed_out', exitCode: undefined, message }
}

function notStarted(name: string, cause: string): Omit<Verdict, 'steps'> {
  const shell = /\/bin\/sh/.test(cause) ? ': the image needs /bin/sh' : ''
  const message = `step "${name}" could not start: ${cause}${shell}`
  return { state: 'errored', reason: 'step_not_started', exitCode: undefined, message }
}

function leaseNearEnd(): Interrupted {
  const message = 'the lease could not be renewed, so the steps were stopped'
  return { kind: 'interrupted', reason: 'lease_lost', userCodeRan: true, message }
}
