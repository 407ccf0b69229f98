import { beforeEach, describe, expect, test } from 'vitest'
import type { AttemptInput } from '../../../agent/execute/attempt.ts'
import type { Sandbox, StepEnd } from '../../../agent/execute/sandbox.ts'
import { runSteps, type StepsEnd } from '../../../agent/execute/steps.ts'
import { Masker } from '../../../protocol/core/masker/masker.ts'
import type { StepSpec } from '../../../protocol/core/run.ts'
import type { AttemptProgress } from '../../../protocol/store/attempt-store.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const DEADLINE_MS = 5_000

let clock: FakeClock
beforeEach(() => {
  clock = new FakeClock()
})

/** One step that ends so, `atMs` after the start; the deadline is DEADLINE_MS after it. */
async function ended(end: StepEnd, atMs: number, terminate?: AbortSignal): Promise<StepsEnd> {
  const deadlineMs = clock.bootMs() + DEADLINE_MS
  const run = (): Promise<StepEnd> => new Promise((done) => clock.arm(atMs, () => done(end)))
  const sandbox = { run, terminate: () => Promise.resolve() } as unknown as Sandbox
  const input = {
    spec: {
      steps: [{ name: 'test', run: 'x', timeoutMs: undefined }],
      timeoutMs: 60_000,
      resources: { cpuMilli: 1_000, memoryBytes: 2 ** 30, diskBytes: 2 ** 30 }
    },
    signal: new AbortController().signal,
    terminate,
    deadlineMs: () => deadlineMs,
    onStage: () => undefined,
    onStep: () => Promise.resolve(),
    releaseSecrets: () => Promise.resolve([]),
    log: () => undefined
  } as unknown as AttemptInput
  const masker = new Masker([])
  const parts = {
    sandbox,
    clock,
    input,
    env: [],
    masker,
    termGraceMs: 0,
    onOutput: () => undefined
  }
  const nowMs = clock.bootMs()
  const times = { startedMs: nowMs, stepStartedMs: nowMs, jobEndMs: nowMs + 60_000 }
  const progress = { step: 0, ...times, results: [], resources: input.spec.resources }
  return await clock.settle(runSteps(parts, progress), 60_000)
}

describe('a box that was stopped or killed under a step', () => {
  test.each<[string, StepEnd]>([
    ['stopped', { kind: 'stopped' }],
    ['killed', { kind: 'died', exitCode: 137, oom: false }]
  ])('and %s before the deadline was so by somebody else', async (_, end) => {
    expect(await ended(end, DEADLINE_MS - 1)).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      userCodeRan: true,
      fault: 'job',
      message: expect.stringContaining('somebody else')
    })
  })

  test.each<[string, StepEnd]>([
    ['stopped', { kind: 'stopped' }],
    ['killed', { kind: 'died', exitCode: 137, oom: false }],
    ['left with a code of its own', { kind: 'exited', code: 143, oom: false }],
    ['not started', { kind: 'not_started', cause: 'it was killed' }]
  ])('and %s from the deadline on was so by its lifeline', async (_, end) => {
    expect(await ended(end, DEADLINE_MS)).toMatchObject({
      kind: 'interrupted',
      reason: 'lease_lost',
      userCodeRan: true
    })
  })

  // Seed 20261126 of test/chaos: it ended a job as errored, though no step of it had failed.
  test('as it was starting, by our own signal, is no verdict of ours', async () => {
    const end: StepEnd = { kind: 'not_started', cause: 'OCI runtime exec failed' }
    expect(await ended(end, 100, AbortSignal.abort())).toMatchObject({
      kind: 'interrupted',
      reason: 'lease_lost'
    })
    expect(await ended(end, 100)).toMatchObject({ verdict: { reason: 'step_not_started' } })
  })

  test('by a guard whose clock is not the host’s tells that this host runs no jobs', async () => {
    expect(await ended({ kind: 'died', exitCode: 74, oom: false }, 100)).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      fault: 'host'
    })
  })

  test('for want of memory failed by itself', async () => {
    expect(await ended({ kind: 'died', exitCode: 137, oom: true }, 100)).toMatchObject({
      verdict: { state: 'failed', reason: 'oom_killed' }
    })
  })
})

describe('a step that took what its job may have of the disk', () => {
  const limit = { kind: 'over_disk', breach: { kind: 'limit', usedBytes: 2 ** 31 } } as const
  const exited = { kind: 'exited', code: 1, oom: false } as const

  test.each<[string, StepEnd, number | undefined]>([
    ['and was ended for it', limit, undefined],
    ['and failed in a workspace that is full', { ...exited, diskFull: true }, 1]
  ])('%s: the job says so, with the way out', async (_, end, exitCode) => {
    expect(await ended(end, 100)).toMatchObject({
      verdict: {
        state: 'failed',
        reason: 'disk_limit',
        exitCode,
        message:
          'step "test" filled the job\'s 1024 MiB of disk, with 4 KiB at least for each file: ' +
          'raise resources.disk, or write less'
      }
    })
  })

  test('says nothing of it once the lease is over', async () => {
    expect(await ended(limit, DEADLINE_MS)).toMatchObject({ reason: 'lease_lost' })
  })

  test('gives the job back where it was the host that had too little', async () => {
    const breach = { kind: 'floor', usedBytes: 2 ** 29, freeBytes: 2 ** 20 } as const
    expect(await ended({ kind: 'over_disk', breach }, 100)).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      fault: 'host',
      message:
        'the host had 1 MiB of disk left, in bytes or in files, and this job, with 512 MiB, took most of all'
    })
  })
})

test('a step that failed and was refused a process says so, and keeps its exit code', async () => {
  const end = { kind: 'exited', code: 2, oom: false, pidsFull: true } as const
  expect(await ended(end, 100)).toMatchObject({
    verdict: { reason: 'exit_code', exitCode: 2, message: expect.stringContaining('may have 512') }
  })
})

describe('steps that always run', () => {
  const ok: StepEnd = { kind: 'exited', code: 0, oom: false }
  const bad: StepEnd = { kind: 'exited', code: 3, oom: false }

  /** Each step ends as its place in `ends` says, undefined never; an `!` in its name is always. */
  async function ran(
    names: readonly string[],
    ends: readonly (StepEnd | undefined)[],
    more: Partial<AttemptProgress> & { readonly timeoutMs?: number } = {}
  ) {
    const { timeoutMs, ...from } = more
    const steps = names.map((name): StepSpec => {
      const always = name.endsWith('!')
      return { name, run: 'x', timeoutMs, ...(always ? { always } : {}) }
    })
    const run = ({ step }: { readonly step: number }, signal: AbortSignal): Promise<StepEnd> => {
      return new Promise((done, refuse) => {
        signal.addEventListener('abort', () => refuse(signal.reason))
        const end = ends[step - 1]
        if (end !== undefined) clock.arm(10, () => done(end))
      })
    }
    const asked: AttemptProgress[] = []
    const input = {
      spec: { steps, timeoutMs: 1_000, resources: { cpuMilli: 1_000, memoryBytes: 2 ** 30 } },
      signal: new AbortController().signal,
      deadlineMs: () => Number.MAX_SAFE_INTEGER,
      onStage: () => undefined,
      onStep: async (progress: AttemptProgress) => void asked.push(progress),
      log: () => undefined
    } as unknown as AttemptInput
    const sandbox = { run, terminate: () => Promise.resolve() } as unknown as Sandbox
    const common = { sandbox, clock, input, env: [], masker: new Masker([]) }
    const parts = { ...common, termGraceMs: 0, onOutput: () => undefined }
    const nowMs = clock.bootMs()
    const times = { startedMs: nowMs, stepStartedMs: nowMs, jobEndMs: nowMs + 1_000 }
    const { resources } = input.spec
    const start = { step: 0, ...times, results: [], resources, ...from }
    const end = await clock.settle(runSteps(parts, start), 60_000)
    if (end.kind !== 'verdict') throw new Error(end.message)
    const { verdict } = end
    return { verdict, states: verdict.steps.map(({ state }) => state).join(' '), asked }
  }

  test('run after a failure, others do not, and the outcome is the first failure', async () => {
    const { verdict, states } = await ran(['a', 'b', 'c!', 'd', 'e!'], [ok, bad, bad, ok, ok])
    expect(states).toBe('succeeded failed failed not_run succeeded')
    expect(verdict).toMatchObject({ state: 'failed', reason: 'exit_code', exitCode: 3 })
    expect(verdict.message).toContain('step "b"')
  })

  test('run after a step that took too long', async () => {
    const { verdict, states } = await ran(['a', 'b!'], [undefined, ok], { timeoutMs: 200 })
    expect(states).toBe('timed_out succeeded')
    expect(verdict).toMatchObject({ state: 'failed', reason: 'timed_out' })
  })

  test.each<[string, StepEnd | undefined]>([
    ['the time of the job is over', undefined],
    ['the box is gone', { kind: 'died', exitCode: 137, oom: true }],
    ['no step can be started', { kind: 'not_started', cause: 'no /bin/sh' }]
  ])('do not run once %s', async (_name, end) => {
    const { states } = await ran(['a', 'b!'], [end, ok])
    expect(states).toMatch(/^(timed_out|failed|not_run) not_run$/)
  })

  test('run like any other where nothing failed, and fail the job alone', async () => {
    expect((await ran(['a!', 'b'], [ok, ok])).verdict.state).toBe('succeeded')
    expect((await ran(['a', 'b!'], [ok, bad])).verdict).toMatchObject({ state: 'failed' })
  })

  test('keep the first failure over a restart of the agent', async () => {
    const { asked } = await ran(['a', 'b!', 'c!'], [bad, ok, ok])
    const progress = asked[2]
    expect(progress).toMatchObject({ step: 2, failure: { reason: 'exit_code', exitCode: 3 } })
    const { verdict, states } = await ran(['a', 'b!', 'c!'], [ok, ok, ok], progress)
    expect(states).toBe('failed succeeded succeeded')
    expect(verdict.message).toContain('step "a"')
  })
})
