import { expect, test, vi } from 'vitest'
import type { AttemptResult } from '../../../../agent/execute/attempt.ts'
import { GpuRest } from '../../../../agent/execute/gpu/gpu-rest.ts'
import { JobGpus } from '../../../../agent/execute/gpu/job-gpus.ts'
import type { LeasedGpu } from '../../../../agent/execute/gpu/leased-gpu.ts'
import type { GpuDevice } from '../../../../agent/probe/gpu/gpu-device.ts'
import type { GpuStanding } from '../../../../agent/probe/gpu/use/host-gpu-use.ts'

const MIB = 1_048_576
const GPU: LeasedGpu = { device: { id: 'amd:0000:63:00.0' } as GpuDevice }

/** A GPU that stands like this, look after look; the last for ever. */
function resting(...looks: readonly (readonly [pids: readonly number[], mib?: number])[]) {
  const left = [...looks]
  let nowMs = 0
  const clock = {
    bootMs: () => nowMs,
    arm: (ms: number, then: () => void) => {
      nowMs += ms
      queueMicrotask(then)
      return () => undefined
    }
  }
  const standing = vi.fn(async (): Promise<GpuStanding> => {
    const [pids, mib] = (left.length > 1 ? left.shift() : left[0]) ?? [[]]
    const memoryBytes = mib === undefined ? undefined : mib * MIB
    return { holders: new Set(pids), memoryBytes }
  })
  const rest = new GpuRest({ reader: { standing }, clock })
  return { rest, standing, passedMs: () => nowMs }
}

test('one that is as it was is free at once, whoever of the host had it open before', async () => {
  const { rest, passedMs } = resting([[7], 100], [[7], 350])
  expect(await rest.after([GPU], await rest.before([GPU]))).toEqual([])
  expect(passedMs()).toBe(0)
})

test('one whose driver takes a while is waited for', async () => {
  const { rest, passedMs } = resting([[], 0], [[9], 9_000], [[], 9_000], [[], 10])
  expect(await rest.after([GPU], await rest.before([GPU]))).toEqual([])
  expect(passedMs()).toBe(1_000)
})

test.each([
  [[[9], 0] as const, 'process 9 has it open after its job’s end'.replace('’', "'")],
  [[[], 5_000] as const, "5000 MiB of its memory are in use after its job's end"]
])('one that stays like %j for 15 s is not free, and says why', async (stays, reason) => {
  const { rest, passedMs } = resting([[], 0], stays)
  expect(await rest.after([GPU], await rest.before([GPU]))).toEqual([
    { gpu: 'amd:0000:63:00.0', reason }
  ])
  expect(passedMs()).toBe(15_000)
})

test('one whose memory nobody can say is judged by who has it open', async () => {
  const { rest } = resting([[]], [[]])
  expect(await rest.after([GPU], await rest.before([GPU]))).toEqual([])
})

test('one that others share is not looked at: it is never free of everyone', async () => {
  const { rest, standing } = resting([[9], 5_000])
  const shared = [{ ...GPU, share: 0.5 }]
  expect(await rest.after(shared, await rest.before(shared))).toEqual([])
  expect(standing).not.toHaveBeenCalled()
})

const OUTCOME = { kind: 'outcome', outcome: { state: 'succeeded' } } as AttemptResult

test('an attempt ends once its GPUs are free, with what it took of them', async () => {
  const order: string[] = []
  const looked = resting([[], 0])
  const tenants = { add: () => order.push('added'), remove: () => order.push('removed') }
  const rest = {
    before: async () => {
      order.push('before')
      return await looked.rest.before([GPU])
    },
    after: async () => {
      order.push('after')
      return [{ gpu: GPU.device.id, reason: 'process 9 has it open' }]
    }
  }
  const doubt = vi.fn()
  const used = { samples: 2, busyPeakPercent: 90, busyMeanPercent: 45 }
  const summary = { ...used, memoryPeakBytes: 7, memoryMeanBytes: 6 }
  const parts = { passage: { parts: vi.fn() }, tenants, rest, used: () => summary, doubt }
  const run = async (): Promise<AttemptResult> => {
    order.push('ran')
    return OUTCOME
  }

  const attempt = { jobId: 'J.0', gpus: [GPU], resume: undefined }
  expect(await new JobGpus(parts).during(attempt, 'box', run)).toEqual({
    kind: 'outcome',
    outcome: { state: 'succeeded', gpuUse: summary }
  })
  expect(order).toEqual(['before', 'added', 'ran', 'removed', 'after'])
  expect(doubt).toHaveBeenCalledExactlyOnceWith(GPU.device.id, 'process 9 has it open')
})

test('an attempt without a GPU is asked nothing', async () => {
  const never = vi.fn()
  const rest = { before: never, after: never }
  const tenants = { add: never, remove: never }
  const parts = { passage: { parts: never }, tenants, rest, used: never, doubt: never }
  const attempt = { jobId: 'J.0', resume: undefined }
  expect(await new JobGpus(parts).during(attempt, 'box', async () => OUTCOME)).toBe(OUTCOME)
  expect(never).not.toHaveBeenCalled()
})
