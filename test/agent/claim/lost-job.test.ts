import { beforeEach, describe, expect, test } from 'vitest'
import { waitMs } from '../../../agent/claim/candidates.ts'
import type { BoardJob } from '../../../protocol/core/board-job.ts'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import { SAMPLE_ORIGIN, sampleRun, sampleSpec, sampleView } from '../../support/arbitrary-board.ts'
import { claimBench, GIB, killBench, runWith } from '../../support/claim-bench.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { claim, create, jobAfter, release } from '../../support/job-ops.ts'
import { OneRegister } from '../../support/one-register.ts'
import { plainDigest } from '../../support/plain-digest.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const YOUNGER = '7K3QF3ABCDEFGHJKMNPQRSTVWX'
const JOB = `${RUN}.0`
/** The default lease profile: a take-over comes 27 to 33 s after the loss. */
const TAKE_OVER_MS_MAX = 33_000
/** What the loop of the test may have gone on after the claim. */
const TICK_MS = 100

let mesh: OneRegister
let clock: FakeClock
beforeEach(() => {
  mesh = new OneRegister()
  clock = new FakeClock()
})

type Bench = ReturnType<typeof claimBench>
const bench = (peerId: string, jobs = 2): Bench => claimBench(mesh, clock, { peerId, jobs })
const phase = (): string | undefined => mesh.states.get(JOB)?.phase

/** Takes the job, and is ready to be killed. */
async function holder(): Promise<Bench> {
  mesh.addRun(runWith(RUN, 1))
  const basalt = bench('basalt')
  basalt.claimer.consider()
  await clock.until(() => basalt.attempts.inputs.length === 1, 60_000)
  return basalt
}

const kill = (dead: Bench): Promise<void> => killBench(mesh, clock, dead)

/** Seconds pass, each with the news that any mesh brings; false once the time is over. */
async function seconds(most: number, one: Bench, enough: () => boolean): Promise<boolean> {
  for (let second = 0; second < most && !enough(); second += 1) {
    await clock.advance(1_000)
    one.claimer.consider()
  }
  return enough()
}

describe('a job whose holder is lost', () => {
  test.each([1, 10, 31, 40, 50, 64, 70, 97, 125])(
    'after %i s is taken over as soon as after one second',
    async (livedS) => {
      const basalt = await holder()
      const onyx = bench('onyx')
      mesh.tellBoards(clock)
      onyx.claimer.consider()
      await seconds(livedS, onyx, () => false)
      await kill(basalt)
      const lostAtMs = clock.bootMs()

      expect(await seconds(100, onyx, () => onyx.attempts.inputs.length === 1)).toBe(true)

      expect(clock.bootMs() - lostAtMs).toBeLessThanOrEqual(TAKE_OVER_MS_MAX)
    }
  )

  test.each([0, 500, 1_500])(
    'is taken over when its witnesses allow it, by one that heard of the claim %i ms late',
    async (lateMs) => {
      const basalt = await holder()
      const claimedAtMs = clock.bootMs()
      await kill(basalt)
      const onyx = bench('onyx')
      await clock.advance(lateMs)
      mesh.tellBoards(clock)
      onyx.claimer.consider()

      await clock.until(() => onyx.attempts.inputs.length === 1, 60_000)

      const { takeOverMs, claimDelayMs } = LEASE_PROFILES.default
      const tookMs = clock.bootMs() - claimedAtMs
      expect(tookMs).toBeGreaterThanOrEqual(takeOverMs - TICK_MS)
      // Less than two turns: all that is above the timers of the witnesses.
      expect(tookMs).toBeLessThan(takeOverMs + 2 * claimDelayMs)
    }
  )

  test('is taken over as soon as a quorum answers again, not a whole lease later', async () => {
    const basalt = await holder()
    const onyx = bench('onyx')
    mesh.tellBoards(clock)
    onyx.claimer.consider()
    await kill(basalt)
    mesh.reachable = false
    expect(await seconds(2 * 33, onyx, () => onyx.attempts.inputs.length === 1)).toBe(false)

    mesh.reachable = true

    expect(await seconds(3, onyx, () => onyx.attempts.inputs.length === 1)).toBe(true)
  })

  test('is the next for which there is room, before all younger ones', async () => {
    await kill(await holder())
    mesh.addRun(runWith(YOUNGER, 12))
    const onyx = bench('onyx', 1)
    mesh.tellBoards(clock)
    onyx.claimer.consider()
    await seconds(60, onyx, () => false)
    const { inputs } = onyx.attempts
    expect(inputs.map(({ jobId }) => jobId)).not.toContain(JOB)

    onyx.attempts.end(inputs.length - 1)
    const started = inputs.length
    await seconds(20, onyx, () => inputs.length > started)

    expect(inputs.at(-1)?.jobId).toBe(JOB)
  })

  test('on its last attempt is ended by an agent that has no room', async () => {
    mesh.attemptsMax = 1
    await kill(await holder())
    mesh.addRun(runWith(YOUNGER, 1))
    const onyx = bench('onyx', 1)
    mesh.tellBoards(clock)
    onyx.claimer.consider()

    expect(await seconds(80, onyx, () => phase() === 'errored')).toBe(true)

    expect(mesh.states.get(JOB)?.outcome?.reason).toBe('agent_lost')
    expect(onyx.attempts.inputs.map(({ jobId }) => jobId)).not.toContain(JOB)
  })

  test('is left by an agent that its owner has closed, until it opens', async () => {
    await kill(await holder())
    const onyx = bench('onyx')
    onyx.order.isOpen = false
    mesh.tellBoards(clock)
    onyx.claimer.consider()
    expect(await seconds(80, onyx, () => onyx.attempts.inputs.length > 0)).toBe(false)

    onyx.order.isOpen = true
    onyx.claimer.consider()

    expect(await seconds(3, onyx, () => onyx.attempts.inputs.length === 1)).toBe(true)
  })

  test('on its last attempt is ended by an agent that its owner has closed', async () => {
    mesh.attemptsMax = 1
    await kill(await holder())
    const onyx = bench('onyx')
    onyx.order.isOpen = false
    mesh.tellBoards(clock)
    onyx.claimer.consider()

    expect(await seconds(80, onyx, () => phase() === 'errored')).toBe(true)
    expect(onyx.attempts.inputs).toEqual([])
  })
})

describe('a job that only the lost host fits', () => {
  /** Held by a host that no other is like. */
  async function held(attemptsMax: number): Promise<Bench> {
    mesh.attemptsMax = attemptsMax
    const sealed = runWith(RUN, 1)
    const { manifest } = sealed.announcement
    const jobs = manifest.jobs.map((spec) => ({ ...spec, labels: { gpu: 'h100' } }))
    mesh.addRun({
      ...sealed,
      announcement: { ...sealed.announcement, manifest: { ...manifest, jobs } }
    })
    const gone = mesh.member('gpu-host', 'f'.repeat(16), clock)
    const body = {
      kind: 'claim',
      claimId: 'e'.repeat(32),
      boot: gone.boot,
      leaseMs: 30_000
    } as const
    await gone.changeJob(JOB, 'd'.repeat(32), body)
    const onyx = bench('onyx')
    mesh.tellBoards(clock)
    onyx.claimer.consider()
    return onyx
  }

  test('ends on its last attempt all the same', async () => {
    const onyx = await held(1)

    expect(await seconds(80, onyx, () => phase() === 'errored')).toBe(true)
  })

  test('ends when it was cancelled, and waits for such a host otherwise', async () => {
    const onyx = await held(3)
    expect(await seconds(80, onyx, () => phase() !== 'leased')).toBe(false)
    const lena = mesh.member('lena', 'a'.repeat(16), clock)
    await lena.changeJob(JOB, '9'.repeat(32), { kind: 'cancel', reason: 'not needed' })

    expect(await seconds(80, onyx, () => phase() === 'cancelled')).toBe(true)
  })
})

describe('the turn of an agent', () => {
  const parts = { digest: plainDigest(), claimDelayMs: 150, draw: () => 0 }
  const agents = ['basalt', 'onyx', 'quartz'].map((name) => sampleView({ peerId: name, name }))
  const offer = {
    platforms: [{ name: 'linux/amd64', native: true }],
    networks: [],
    labels: {},
    isolation: { offered: 'runc' as const, required: undefined },
    policy: undefined,
    capacity: { cpuMilli: 4_000, memoryBytes: 4 * GIB, diskBytes: 40 * GIB, jobs: 2 }
  }

  function waitOf(peerId: string, state: BoardJob['state']): number {
    const { runId } = sampleRun({ runId: RUN }).announcement
    const job: BoardJob = {
      jobId: JOB,
      runId,
      spec: sampleSpec(),
      trust: 'trusted',
      origin: SAMPLE_ORIGIN,
      state,
      witnessEpoch: 1,
      stage: undefined,
      changedAtMs: 0,
      holderSinceMs: undefined,
      issuedAtMs: 0
    }
    return waitMs(job, { peerId, offer, free: offer.capacity }, agents, parts)
  }

  test.each(['basalt', 'onyx', 'quartz'])('is the last one for %s, which lost the job', (peer) => {
    const lost = jobAfter(create(), claim(peer, 'c1'))
    const back = jobAfter(create(), claim(peer, 'c1'), release(peer, 1, 'c1'))

    for (const state of [lost, back]) {
      const waits = agents.map(({ advertisement: { peerId } }) => [peerId, waitOf(peerId, state)])
      expect(waits.find(([, ms]) => ms === 300)?.[0]).toBe(peer)
    }
  })
})
