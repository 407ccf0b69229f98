import { beforeEach, describe, expect, test } from 'vitest'
import { recoverAttempt } from '../../../agent/claim/adoption.ts'
import { removeLeftovers } from '../../../agent/claim/recovery.ts'
import { gpuLabels, heldByLabel } from '../../../agent/execute/gpu/gpu-label.ts'
import type { GpuDevice } from '../../../agent/probe/gpu/gpu-device.ts'
import { gpusHeldOf } from '../../../protocol/core/capacity.ts'
import type { GpuRequest } from '../../../protocol/core/gpu-request.ts'
import { GPU_WHOLE } from '../../../protocol/core/gpu-request-limits.ts'
import type { SealedAnnouncement } from '../../../protocol/core/run.ts'
import { A_GPU } from '../../support/arbitrary-gpu-rooms.ts'
import { type ClaimBench, claimBench, runWith } from '../../support/claim-bench.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { OneRegister } from '../../support/one-register.ts'
import { recoveryOf } from '../../support/recovery-parts.ts'
import { until } from '../../support/until.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const JOB = `${RUN}.0`
const FIRST: GpuDevice = { ...A_GPU, nodes: ['/dev/nvidia0'] }
const SECOND: GpuDevice = { ...FIRST, id: 'nvidia:GPU-1', nodes: ['/dev/nvidia1'] }
const AGES_MS = 64_000

let mesh: OneRegister
let clock: FakeClock
beforeEach(() => {
  mesh = new OneRegister()
  clock = new FakeClock()
})

function gpuRun(
  jobs: number,
  gpu: GpuRequest,
  trust: 'trusted' | 'untrusted' = 'trusted'
): SealedAnnouncement {
  const sealed = runWith(RUN, jobs, trust)
  const { manifest } = sealed.announcement
  const asking = manifest.jobs.map((spec) => ({ ...spec, gpu }))
  const announcement = { ...sealed.announcement, manifest: { ...manifest, jobs: asking } }
  return { ...sealed, announcement }
}

function benchWith(...devices: readonly GpuDevice[]): ClaimBench {
  const bench = claimBench(mesh, clock, { peerId: 'onyx', jobs: 4 })
  bench.gpus.devices = devices
  return bench
}

const started = ({ attempts }: ClaimBench): number => attempts.inputs.length
const idsOf = ({ attempts }: ClaimBench): readonly (readonly string[])[] =>
  attempts.inputs.map(({ gpus = [] }) => gpus.map(({ device }) => device.id))
const heldBy = ({ claimer }: ClaimBench) => gpusHeldOf(claimer.ledger)

describe('jobs that ask for GPUs', () => {
  test('run side by side on as many as there are, each on its own, and then the next one', async () => {
    mesh.addRun(gpuRun(3, { count: 1 }))
    const onyx = benchWith(FIRST, SECOND)
    onyx.claimer.consider()
    await until(clock, () => started(onyx) === 2)
    await clock.advance(AGES_MS)
    expect(idsOf(onyx).flat().sort()).toEqual([FIRST.id, SECOND.id])

    onyx.attempts.end(1)
    await until(clock, () => started(onyx) === 3)
    expect(idsOf(onyx)[2]).toEqual(idsOf(onyx)[1])
  })

  test('are not claimed where there is none, or none that is well, and are once it is', async () => {
    mesh.addRun(gpuRun(1, { count: 1 }))
    const ill: GpuDevice = { ...FIRST, health: 'unhealthy', reasons: ['Xid 79'] }
    const [none, onyx] = [benchWith(), benchWith(ill)]
    for (const each of [none, onyx]) each.claimer.consider()
    await clock.advance(AGES_MS)
    expect([started(none), started(onyx), mesh.states.size]).toEqual([0, 0, 0])

    onyx.gpus.devices = [FIRST]
    onyx.claimer.consider()
    await until(clock, () => started(onyx) === 1)
  })

  test('that are not trusted have none where the owner does not say so', async () => {
    mesh.addRun(gpuRun(1, { count: 1 }, 'untrusted'))
    const onyx = benchWith(FIRST)
    onyx.claimer.consider()
    await clock.advance(AGES_MS)
    expect(started(onyx)).toBe(0)

    onyx.gpus.terms = { shares: [], untrusted: true, trustedOnly: ['nvidia'] }
    onyx.claimer.consider()
    await clock.advance(AGES_MS)
    expect(started(onyx)).toBe(0)

    onyx.gpus.terms = { shares: [], untrusted: true }
    onyx.claimer.consider()
    await until(clock, () => started(onyx) === 1)
  })

  test('share one whose owner says so, each with its share, and the others wait', async () => {
    mesh.addRun(gpuRun(3, { count: 1, shareOf: 2 }))
    const onyx = benchWith(FIRST)
    onyx.gpus.terms = { shares: [{ id: FIRST.id, slots: 2 }], untrusted: false }
    onyx.claimer.consider()
    await until(clock, () => started(onyx) === 2)
    await clock.advance(AGES_MS)
    expect(onyx.attempts.inputs.map(({ gpus }) => gpus)).toEqual([
      [{ device: FIRST, share: 0.5 }],
      [{ device: FIRST, share: 0.5 }]
    ])
    expect(heldBy(onyx)).toMatchObject([{ id: FIRST.id, units: GPU_WHOLE }])
  })

  test('hold their GPU from before the claim on, while it is not known who has won', async () => {
    mesh.addRun(gpuRun(2, { count: 1 }))
    mesh.answerMs = 400
    const onyx = benchWith(FIRST)
    onyx.claimer.consider()
    await clock.until(() => heldBy(onyx).length === 1, 10_000)
    expect(started(onyx)).toBe(0)
    await clock.until(() => started(onyx) === 1, 10_000)
    expect(heldBy(onyx).flatMap(({ jobs }) => jobs)).toEqual([onyx.attempts.inputs[0]?.jobId])
    expect(mesh.askedFor('claim')).toHaveLength(1)
  })

  test('keep it while their container cannot be removed, though the job has its outcome', async () => {
    mesh.addRun(gpuRun(2, { count: 1 }))
    const onyx = benchWith(FIRST)
    onyx.claimer.consider()
    await until(clock, () => started(onyx) === 1)
    const [input] = onyx.attempts.inputs
    onyx.attempts.trouble = new Error('the engine hangs')
    onyx.attempts.end(0, 'succeeded', new Error('it is left'))
    await until(clock, () => onyx.changes.includes(`job_ended ${input?.jobId}`))
    await clock.advance(AGES_MS)
    expect(started(onyx)).toBe(1)
    expect(heldBy(onyx)).toEqual([{ id: FIRST.id, units: GPU_WHOLE, jobs: [input?.jobId] }])

    expect(onyx.changes).not.toContain('room')

    onyx.attempts.trouble = undefined
    await clock.until(() => started(onyx) === 2, AGES_MS)
    expect(onyx.attempts.cleared).toContain(input?.claimId)
    // Others hear of it at once, not with the next advertisement that is due.
    expect(onyx.changes).toContain('room')
  })
})

describe('after a restart of the agent', () => {
  test('a job that runs on has its GPU, by the label of its container, and no other has it', async () => {
    const { again, recovered } = await restarted([FIRST])
    await clock.until(() => started(again) === 1, 20_000)
    expect(again.attempts.inputs[0]?.gpus).toEqual([{ device: FIRST }])
    expect(heldBy(again)).toEqual([{ id: FIRST.id, units: GPU_WHOLE, jobs: [JOB] }])
    again.attempts.end(0)
    await until(clock, () => heldBy(again).length === 0)
    await recovered
  })

  test('its GPU is held before anybody has read which ones there are', async () => {
    const { again } = await restarted([])
    expect(heldBy(again)).toEqual([{ id: FIRST.id, units: GPU_WHOLE, jobs: [JOB] }])
    again.gpus.devices = [FIRST]
    await clock.until(() => started(again) === 1, 20_000)
  })

  test('nobody gets the GPU that the one of a job is a part of, before or after they are read', async () => {
    const whole: GpuDevice = { ...FIRST, id: 'nvidia:GPU-7' }
    const { again } = await restarted([whole], whole.id)
    mesh.addRun(gpuRun(2, { count: 1 }))
    again.claimer.consider()
    await clock.advance(5_000)
    expect(started(again)).toBe(0)
    expect(heldBy(again)).toMatchObject([{ id: FIRST.id, parent: whole.id }])
  })

  test('one whose GPU is gone is given back once its container is, and runs on another', async () => {
    const { again, recovered } = await restarted([SECOND])
    again.attempts.trouble = new Error('the engine hangs')
    await clock.until(() => again.attempts.cleared.length > 3, AGES_MS)
    expect(heldBy(again)).toEqual([{ id: FIRST.id, units: GPU_WHOLE, jobs: [JOB] }])
    expect(mesh.states.get(JOB)?.phase).toBe('leased')
    again.attempts.trouble = undefined
    await clock.until(() => started(again) === 1, 2 * AGES_MS)
    expect(idsOf(again)).toEqual([[SECOND.id]])
    expect(heldBy(again).map(({ id }) => id)).toEqual([SECOND.id])
    await recovered
  })

  /** An agent in its first step on `FIRST`, killed; and its next process, with `devices`. */
  async function restarted(devices: readonly GpuDevice[], parent?: string) {
    mesh.addRun(gpuRun(1, { count: 1 }))
    const dead = claimBench(mesh, clock, { peerId: 'onyx', boot: '00000000000000aa' })
    dead.gpus.devices = [FIRST]
    dead.claimer.consider()
    await until(clock, () => started(dead) === 1)
    const nowMs = clock.bootMs()
    const times = { startedMs: nowMs, stepStartedMs: nowMs, jobEndMs: nowMs + 60_000 }
    const resources = { cpuMilli: 1_000, memoryBytes: 2 ** 30 }
    await dead.attempts.inputs[0]?.onStep({ step: 0, ...times, results: [], resources })
    dead.order.mayClaim = false
    mesh.renewable = false
    mesh.changeable = false
    const records = dead.records.left()
    dead.claimer.quit()
    await clock.advance(0)
    mesh.renewable = true
    mesh.changeable = true

    const boot = '00000000000000bb'
    const again = claimBench(mesh, clock, { peerId: 'onyx', boot, records })
    again.gpus.devices = devices
    const [record] = await records.all()
    const { epoch = 0, claimId = '' } = record ?? {}
    const deadlineMs = dead.deadlines[0]?.written.at(-1)?.deadlineMs
    const gpus = heldByLabel(gpuLabels([{ device: { ...FIRST, parent } }]))
    again.attempts.found = [{ jobId: JOB, epoch, claimId, state: 'running', deadlineMs, gpus }]
    const parts = recoveryOf(mesh, again, clock, boot)
    const candidates = await removeLeftovers(parts)
    again.claimer.expect(candidates)
    mesh.tellBoards(clock)
    const { signal } = new AbortController()
    const recovered = Promise.all(candidates.map((each) => recoverAttempt(parts, each, signal)))
    return { again, recovered }
  }
})
