import type { StepResult } from '../../protocol/core/job.ts'
import { PIDS_MAX } from '../../protocol/core/limits.ts'
import type { StepSpec } from '../../protocol/core/run.ts'
import type { AttemptProgress } from '../../protocol/store/attempt-store.ts'
import type { AttemptResult } from './attempt.ts'
import type { DiskBreach } from './disk/disk-watchdog.ts'
import { GUARD_EXITS } from './guard.ts'
import { interruption, notRun, stoppedByOthers, type Verdict } from './outcome.ts'
import type { StepEnd } from './sandbox.ts'
import { runStep, type StepCut, type StepsParts } from './step.ts'
import { Stopwatch } from './stopwatch.ts'

type Interrupted = Extract<AttemptResult, { kind: 'interrupted' }>
export type StepsEnd = { readonly kind: 'verdict'; readonly verdict: Verdict } | Interrupted

/**
 * Runs the steps one after the other, from that one on. After one that failed only those run that
 * always do, as long as the job has time and its box: the outcome is that of the first failure.
 * Rejects with the signal's reason.
 */
export async function runSteps(parts: StepsParts, from: AttemptProgress): Promise<StepsEnd> {
  const { steps } = parts.input.spec
  const results: StepResult[] = [...from.results]
  let { failure } = from
  let isOver = false
  for (const [index, step] of steps.entries()) {
    if (index < from.step) continue
    if (isOver || (failure !== undefined && step.always !== true)) {
      results.push(notRun(step.name))
      continue
    }
    const at = { ...from, step: index, results: [...results], failure }
    const judged = await runOne(parts, step, at)
    if (judged.kind === 'interrupted') return judged
    results.push(judged.result)
    failure ??= judged.verdict
    isOver = judged.isOver
  }
  if (failure !== undefined) return { kind: 'verdict', verdict: { ...failure, steps: results } }
  const message = `${steps.length} ${steps.length === 1 ? 'step' : 'steps'} succeeded`
  const verdict = { state: 'succeeded', reason: 'completed', exitCode: 0, message } as const
  return { kind: 'verdict', verdict: { ...verdict, steps: results } }
}

/** The step at `from`: begun here, or by an agent before this one. */
async function runOne(parts: StepsParts, step: StepSpec, from: AttemptProgress): Promise<Judged> {
  const { input, clock } = parts
  if (input.terminate?.aborted === true) return leaseNearEnd()
  const begun = input.resume?.progress.step === from.step ? input.resume : undefined
  const nowMs = clock.bootMs()
  const startedMs = begun?.progress.stepStartedMs ?? nowMs
  if (begun === undefined) {
    // An agent that restarts must find how far this has come before the step can do anything.
    await input.onStep({ ...from, stepStartedMs: startedMs })
    input.signal.throwIfAborted()
  }
  input.onStage({ name: 'step', step: from.step + 1, steps: input.spec.steps.length })
  const stopwatch = new Stopwatch()
  const end = await runStep(parts, from.step, { startedMs, jobEndMs: from.jobEndMs }, begun)
  const ms = Math.max(0, nowMs - startedMs) + stopwatch.ms()
  return judge(parts, step, end, Math.round(ms))
}

type Failure = Omit<Verdict, 'steps' | 'outputs'>

type Judged =
  | Interrupted
  | {
      readonly kind: 'judged'
      readonly result: StepResult
      /** Set where the job has not succeeded with this step. */
      readonly verdict: Failure | undefined
      /** Nothing more can run: the job has no time, or no box, or no shell. */
      readonly isOver: boolean
    }

function judge(parts: StepsParts, step: StepSpec, end: StepEnd | StepCut, ms: number): Judged {
  const { name } = step
  const done = (
    state: StepResult['state'],
    exitCode: number | undefined,
    verdict: Failure | undefined,
    isOver = false
  ): Judged => {
    const result = { name, state, exitCode, durationMs: ms }
    return { kind: 'judged', result, verdict, isOver }
  }
  const exited = (how: Extract<StepEnd, { kind: 'exited' }>): Judged => {
    const { code } = how
    if (code === 0 && !isTerminated(parts)) return done('succeeded', 0, undefined)
    const cut = endedByLease(parts)
    if (cut !== undefined) return cut
    return done('failed', code, failed(parts, name, how))
  }
  switch (end.kind) {
    case 'timed_out':
      return done('timed_out', undefined, timedOut(name, end), end.of === 'job')
    case 'not_started':
      // A signal of ours ends what the engine is just starting: that is no fault of the image.
      return endedByLease(parts) ?? done('not_run', undefined, notStarted(name, end.cause), true)
    case 'died':
      if (end.oom) return done('failed', end.exitCode, outOfMemory(parts, name, end.exitCode), true)
      return interruption(isOver(parts) ? GUARD_EXITS.expired : end.exitCode, true)
    case 'over_disk':
      if (end.breach.kind === 'floor') return diskOfHost(end.breach)
      return (
        endedByLease(parts) ?? done('failed', undefined, overDisk(parts, name, undefined), true)
      )
    case 'unknown':
      return unknownEnd()
    case 'stopped':
      return isOver(parts) ? interruption(GUARD_EXITS.expired, true) : stoppedByOthers(true)
    case 'exited':
      return exited(end)
    default:
      return end satisfies never
  }
}

/** After our SIGTERM, or past the deadline, an exit code is our doing, whatever it says. */
function endedByLease(parts: StepsParts): Interrupted | undefined {
  if (isTerminated(parts)) return leaseNearEnd()
  return isOver(parts) ? interruption(GUARD_EXITS.expired, true) : undefined
}

function isTerminated(parts: StepsParts): boolean {
  return parts.input.terminate?.aborted === true
}

/** Past the deadline whatever ends a step is the lifeline, or comes too late to count. */
function isOver({ clock, input }: StepsParts): boolean {
  return clock.bootMs() >= input.deadlineMs()
}

function failed(
  parts: StepsParts,
  name: string,
  { code: exitCode, oom, diskFull, pidsFull }: Extract<StepEnd, { kind: 'exited' }>
): Failure {
  if (oom) return outOfMemory(parts, name, exitCode)
  if (diskFull === true) return overDisk(parts, name, exitCode)
  const pids = parts.input.spec.resources.pidsMax ?? PIDS_MAX
  const refused = `; it was refused a process more: this job may have ${pids}`
  const message = `step "${name}" exited ${exitCode}${pidsFull === true ? refused : ''}`
  return { state: 'failed', reason: 'exit_code', exitCode, message }
}

function outOfMemory(parts: StepsParts, name: string, exitCode: number | undefined): Failure {
  const mib = Math.floor(parts.input.spec.resources.memoryBytes / 1_048_576)
  const message =
    `step "${name}" needed more than the job's ${mib} MiB of memory: ` +
    'raise resources.memory, or use less'
  return { state: 'failed', reason: 'oom_killed', exitCode, message }
}

function overDisk(parts: StepsParts, name: string, exitCode: number | undefined): Failure {
  const mib = Math.floor((parts.input.spec.resources.diskBytes ?? 0) / 1_048_576)
  const message = `step "${name}" filled the job's ${mib} MiB of disk, with 4 KiB at least for each file: raise resources.disk, or write less`
  return { state: 'failed', reason: 'disk_limit', exitCode, message }
}

/** No fault of the job, which was within its limit: the host has promised more than it has. */
function diskOfHost({ usedBytes, freeBytes }: Extract<DiskBreach, { kind: 'floor' }>): Interrupted {
  const mib = (bytes: number): number => Math.floor(bytes / 1_048_576)
  const message =
    `the host had ${mib(freeBytes)} MiB of disk left, in bytes or in files, and this job, with ${mib(usedBytes)} MiB, ` +
    'took most of all'
  return {
    kind: 'interrupted',
    reason: 'sandbox_failed',
    userCodeRan: true,
    message,
    fault: 'host'
  }
}

function timedOut(name: string, cut: StepCut): Failure {
  const message =
    cut.of === 'step'
      ? `step "${name}" ran longer than its ${cut.limitMs} ms: raise its timeout`
      : `the job ran longer than its ${cut.limitMs} ms, in step "${name}": raise its timeout`
  return { state: 'failed', reason: 'timed_out', exitCode: undefined, message }
}

function notStarted(name: string, cause: string): Failure {
  const shell = /\/bin\/sh/.test(cause) ? ': the image needs /bin/sh' : ''
  const message = `step "${name}" could not start: ${cause}${shell}`
  return { state: 'errored', reason: 'step_not_started', exitCode: undefined, message }
}

function unknownEnd(): Interrupted {
  const message = 'the agent was away, and how its step went on meanwhile is not known'
  return { kind: 'interrupted', reason: 'agent_lost', userCodeRan: true, message }
}

function leaseNearEnd(): Interrupted {
  const message = 'the lease could not be renewed, so the steps were stopped'
  return { kind: 'interrupted', reason: 'lease_lost', userCodeRan: true, message }
}
