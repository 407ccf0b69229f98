import { expect, test } from 'vitest'
import type { GpuDevice } from '../../../../../agent/probe/gpu/gpu-device.ts'
import { GpuSampler } from '../../../../../agent/probe/gpu/use/gpu-sampler.ts'
import type { GpuTenant, TenantUse } from '../../../../../agent/probe/gpu/use/host-gpu-use.ts'
import { UseTally } from '../../../../../agent/probe/gpu/use/use-tally.ts'
import { silentLog } from '../../../../../protocol/host/log.ts'
import { FakeClock } from '../../../../support/fake-clock.ts'

const GPU = { id: 'intel:0000:4d:00.0' } as GpuDevice
const TENANT: GpuTenant = { jobId: 'J.0', container: 'c', first: 1, gpus: [] }

function use(busyPercent: number | undefined, memoryBytes: number | undefined): TenantUse {
  return { gpu: GPU.id, busyPercent, memoryBytes }
}

function sampling(gpus: readonly GpuDevice[] = [GPU]) {
  const clock = new FakeClock()
  const state = { tenants: [] as GpuTenant[], reads: [] as number[], hold: Promise.resolve() }
  const reader = {
    read: async (_gpus: readonly GpuDevice[], tenants: readonly GpuTenant[]) => {
      state.reads.push(clock.bootMs())
      await state.hold
      const jobs = new Map(tenants.map(({ jobId }) => [jobId, [use(40, 100)]]))
      return { devices: new Map(), jobs }
    }
  }
  const tenants = async () => state.tenants
  const sampler = new GpuSampler({ reader, gpus: () => gpus, tenants, clock, log: silentLog() })
  const pass = (ms: number): Promise<void> => clock.advance(ms)
  return { sampler, state, pass, clock }
}

test('GPUs are looked at every minute, and every 5 s while a job has one', async () => {
  const { sampler, state, pass, clock } = sampling()
  sampler.start()
  const startMs = clock.bootMs()
  await pass(1_000)
  await pass(118_000)
  const idle = state.reads.map((ms) => ms - startMs)
  expect(idle.length).toBe(2)
  expect((idle[1] ?? 0) - (idle[0] ?? 0)).toBe(60_000)

  state.tenants = [TENANT]
  await pass(20_000)
  expect(state.reads.length - idle.length).toBe(4)
  expect(sampler.take('J.0')).toEqual({
    samples: 4,
    busyPeakPercent: 40,
    busyMeanPercent: 40,
    memoryPeakBytes: 100,
    memoryMeanBytes: 100
  })
  expect(sampler.take('J.0')).toBeUndefined()
  sampler.stop()
})

test('a look that hangs is the only one, and keeps nobody waiting', async () => {
  const { sampler, state, clock } = sampling()
  state.tenants = [TENANT]
  let release = (): void => undefined
  state.hold = new Promise((resolve) => {
    release = resolve
  })
  sampler.start()
  await clock.advance(50_000)
  expect(state.reads.length).toBe(1)

  sampler.stop()
  release()
  await sampler.idle()
  await clock.advance(60_000)
  expect(state.reads.length).toBe(1)
})

test('a host without a GPU is never looked at', async () => {
  const { sampler, state, pass } = sampling([])
  state.tenants = [TENANT]
  sampler.start()
  await pass(120_000)
  expect(state.reads).toEqual([])
  sampler.stop()
})

test('of several GPUs the time is the mean, the memory the sum, and what is not known is left out', () => {
  const tally = new UseTally()
  expect(tally.summary()).toBeUndefined()
  tally.take([use(100, 10), use(0, 20)])
  tally.take([use(undefined, undefined), use(undefined, undefined)])
  tally.take([use(100, 70), use(100, undefined)])

  expect(tally.summary()).toEqual({
    samples: 3,
    busyPeakPercent: 100,
    busyMeanPercent: 75,
    memoryPeakBytes: 70,
    memoryMeanBytes: 50
  })
})

test('the age of what was seen is that of the last look that came to its end', async () => {
  const { sampler, clock } = sampling()
  expect(sampler.ageMs).toBeUndefined()
  sampler.start()
  await clock.advance(1)
  await clock.advance(30_000)

  expect(sampler.ageMs).toBeGreaterThan(29_000)
  expect(sampler.ageMs).toBeLessThanOrEqual(30_001)
  sampler.stop()
})
