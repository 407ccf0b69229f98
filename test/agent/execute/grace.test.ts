import { beforeEach, describe, expect, test } from 'vitest'
import type { AttemptInput } from '../../../agent/execute/attempt.ts'
import type { Sandbox, StepEnd } from '../../../agent/execute/sandbox.ts'
import { runStep, stopUnheard } from '../../../agent/execute/step.ts'
import { Masker } from '../../../protocol/core/masker/masker.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const GRACE_MS = 90_000
const TERM_GRACE_MS = 5_000
const LEASE_MS = 27_000

let clock: FakeClock
let abort: AbortController
let kill: AbortController
let termsAtMs: number[]
beforeEach(() => {
  clock = new FakeClock()
  abort = new AbortController()
  kill = new AbortController()
  termsAtMs = []
})

interface Wish {
  readonly graceMs?: number
  /** Milliseconds after SIGTERM in which the step ends; never where absent. */
  readonly endsInMs?: number
  /** Until when the lease is renewed. */
  readonly renewedUntilMs?: number
}

/** Milliseconds from the cancel to the end of the wait for the step. */
async function waitedMs({ graceMs, endsInMs, renewedUntilMs = Infinity }: Wish): Promise<number> {
  const ended = Promise.withResolvers<StepEnd>()
  const sandbox = {
    run: (_: unknown, detach: AbortSignal) => {
      detach.addEventListener('abort', () => ended.reject(detach.reason))
      return ended.promise
    },
    terminate: async () => {
      termsAtMs.push(clock.bootMs())
      const end = { kind: 'exited', code: 0, oom: false } as const
      if (endsInMs !== undefined) clock.arm(endsInMs, () => ended.resolve(end))
    }
  } as unknown as Sandbox
  const input = {
    spec: {
      steps: [{ name: 'test', run: 'x', timeoutMs: undefined }],
      timeoutMs: 3_600_000,
      resources: { cpuMilli: 1_000, memoryBytes: 2 ** 30 }
    },
    signal: abort.signal,
    graceMs: () => graceMs,
    kill: kill.signal,
    deadlineMs: () => Math.min(clock.bootMs(), renewedUntilMs) + LEASE_MS,
    log: () => undefined
  } as unknown as AttemptInput
  const common = { sandbox, clock, input, env: [], masker: new Masker([]) }
  const parts = { ...common, termGraceMs: TERM_GRACE_MS, onOutput: () => undefined }
  const startedMs = clock.bootMs()
  const step = runStep(parts, 0, { startedMs, jobEndMs: startedMs + 3_600_000 }, undefined)
  const seen = step.catch((error: unknown) => error)
  abort.abort('cancelled')
  expect(await clock.settle(seen, 3_600_000)).toBe('cancelled')
  expect(termsAtMs).toEqual([startedMs])
  return clock.bootMs() - startedMs
}

describe('a step whose output may not be read', () => {
  /** Milliseconds that it is waited for, in a box that another agent made. */
  const unheardMs = async (endsInMs: number): Promise<number> => {
    const ended = Promise.withResolvers<StepEnd>()
    const sandbox = {
      follow: async ({ onOutput }: { onOutput: (stream: 'out', bytes: Uint8Array) => void }) => {
        onOutput('out', Buffer.from('sesame'))
        return await ended.promise
      },
      terminate: async () => {
        clock.arm(endsInMs, () => ended.resolve({ kind: 'exited', code: 0, oom: false }))
      }
    } as unknown as Sandbox
    const log = (): never => expect.fail('it was logged')
    const deadlineMs = (): number => clock.bootMs() + LEASE_MS
    const levers = { signal: abort.signal, kill: kill.signal, graceMs: () => GRACE_MS, deadlineMs }
    const input = { ...levers, log } as unknown as AttemptInput
    const startedMs = clock.bootMs()
    abort.abort('cancelled')
    const parts = { sandbox, clock, input, termGraceMs: TERM_GRACE_MS }
    await clock.settle(stopUnheard(parts, 0), 3_600_000)
    ended.resolve({ kind: 'unknown' })
    return clock.bootMs() - startedMs
  }

  test('has its grace, and none of what it writes is kept', async () => {
    expect(await unheardMs(40_000)).toBe(40_000)
  })
})

describe('a step that is cancelled has SIGTERM at once and is waited for', () => {
  test('until it has ended', async () => {
    expect(await waitedMs({ graceMs: GRACE_MS, endsInMs: 40_000 })).toBe(40_000)
  })

  test('for its grace, though that is longer than a lease', async () => {
    expect(await waitedMs({ graceMs: GRACE_MS })).toBe(GRACE_MS)
  })

  test('for the usual time where the order says none', async () => {
    expect(await waitedMs({})).toBe(TERM_GRACE_MS)
  })

  test('until the lease is over where it is not renewed any more', async () => {
    const renewedUntilMs = clock.bootMs() + 10_000
    expect(await waitedMs({ graceMs: GRACE_MS, renewedUntilMs })).toBe(10_000 + LEASE_MS)
  })

  test('until its holder has lost the lease, or ends', async () => {
    clock.arm(12_000, () => kill.abort())
    expect(await waitedMs({ graceMs: GRACE_MS })).toBe(12_000)
  })
})
