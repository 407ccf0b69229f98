import { beforeEach, describe, expect, test } from 'vitest'
import { recoverAttempt } from '../../../agent/claim/adoption.ts'
import { type Candidate, removeLeftovers, settleRecords } from '../../../agent/claim/recovery.ts'
import type { Survivor } from '../../../agent/execute/survivors.ts'
import type { Cancellation } from '../../../protocol/core/job.ts'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import type { AttemptProgress } from '../../../protocol/store/attempt-store.ts'
import { type ClaimBench, claimBench, runWith } from '../../support/claim-bench.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { OneRegister } from '../../support/one-register.ts'
import { recoveryOf } from '../../support/recovery-parts.ts'
import { until } from '../../support/until.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const JOB = `${RUN}.0`
const { renewEveryMs } = LEASE_PROFILES.default
const HOLD_MS = 27_000

let mesh: OneRegister
let clock: FakeClock
beforeEach(() => {
  mesh = new OneRegister()
  clock = new FakeClock()
  mesh.addRun(runWith(RUN, 1))
})

/** An agent in the middle of its first step, killed. */
async function killed(during: Cancellation | undefined = undefined): Promise<ClaimBench> {
  const dead = claimBench(mesh, clock, { peerId: 'onyx', boot: '00000000000000aa' })
  dead.claimer.consider()
  await until(clock, () => dead.attempts.inputs.length === 1)
  dead.order.mayClaim = false
  const [input] = dead.attempts.inputs
  const nowMs = clock.bootMs()
  const times = { startedMs: nowMs, stepStartedMs: nowMs, jobEndMs: nowMs + 60_000 }
  const resources = { cpuMilli: 1_000, memoryBytes: 2 ** 30 }
  const progress: AttemptProgress = { step: 0, ...times, results: [], resources }
  await input?.onStep(progress)
  if (during !== undefined) {
    dead.attempts.lingers = true
    mesh.cancel = during
    await until(clock, () => input?.signal.aborted === true)
    mesh.cancel = undefined
  }
  mesh.renewable = false
  mesh.changeable = false
  const records = dead.records.left()
  dead.claimer.quit()
  await clock.advance(0)
  mesh.renewable = true
  mesh.changeable = true
  return { ...dead, records }
}

interface Restarted {
  readonly bench: ClaimBench
  readonly candidates: readonly Candidate[]
  readonly recovered: Promise<unknown>
  readonly stop: AbortController
}

/** The next process of that agent, which finds this container. */
async function restart(
  dead: ClaimBench,
  change: Partial<Survivor> = {},
  boot = '00000000000000bb'
): Promise<Restarted> {
  const { records } = dead
  const bench = claimBench(mesh, clock, { peerId: 'onyx', boot, records })
  const [record] = await records.all()
  const { epoch = 0, claimId = '' } = record ?? {}
  const deadlineMs = dead.deadlines[0]?.written.at(-1)?.deadlineMs
  const state = 'running' as const
  bench.attempts.found = [{ jobId: JOB, epoch, claimId, state, deadlineMs, ...change }]
  const stop = new AbortController()
  const parts = recoveryOf(mesh, bench, clock, boot)
  const candidates = await removeLeftovers(parts)
  bench.claimer.expect(candidates)
  mesh.tellBoards(clock)
  const recovered = Promise.all([
    settleRecords(parts, candidates, stop.signal),
    ...candidates.map((candidate) => recoverAttempt(parts, candidate, stop.signal))
  ])
  return { bench, candidates, recovered, stop }
}

const held = ({ bench }: Restarted): number => bench.attempts.inputs.length

/** Its first step ends with exit code 0, and the next one is about to begin. */
async function expectNoNextStep({ bench }: Restarted): Promise<void> {
  const [input] = bench.attempts.inputs
  const progress = input?.resume?.progress
  if (input === undefined || progress === undefined) throw new Error('it was adopted')
  expect(input.signal.aborted).toBe(false)
  await input.onStep({ ...progress, step: 1 })

  expect(input.signal.reason).toBe('cancelled')
  expect((await bench.records.all()).map((record) => record.progress?.step)).toEqual([0])
}

describe('a container that runs under our lease', () => {
  test('is adopted: same epoch and claim, a new boot, and the attempt goes on', async () => {
    const dead = await killed()
    const { claimId } = mesh.states.get(JOB)?.lease ?? {}
    const again = await restart(dead)
    await until(clock, () => held(again) === 1)

    expect(mesh.states.get(JOB)).toMatchObject({ phase: 'leased', epoch: 1, attempts: 1 })
    expect(mesh.states.get(JOB)?.lease).toMatchObject({
      claimId,
      boot: '00000000000000bb',
      adoption: { number: 1 }
    })
    expect(again.bench.attempts.inputs[0]).toMatchObject({
      epoch: 1,
      claimId,
      attempt: 1,
      resume: { progress: { step: 0 }, logged: { out: 0, err: 0 } }
    })
    expect(again.bench.attempts.reaped).toEqual([new Set([claimId])])
    expect(mesh.askedFor('release')).toEqual([])
  })

  test('gets a deadline that counts from the start of its adoption, then renewals', async () => {
    const dead = await killed()
    mesh.answerMs = 400
    const startedAtMs = clock.bootMs()
    const again = await restart(dead)
    await clock.until(() => held(again) === 1, 10_000)
    await clock.advance(3 * renewEveryMs)

    const written = again.bench.deadlines[0]?.written.map(({ deadlineMs }) => deadlineMs) ?? []
    expect(written[0]).toBeLessThanOrEqual(clock.bootMs() + HOLD_MS)
    expect(written[0]).toBeGreaterThanOrEqual(startedAtMs + HOLD_MS)
    expect(written.length).toBeGreaterThan(1)
  })

  test('ends like any other, with one outcome and no record left', async () => {
    const dead = await killed()
    const again = await restart(dead)
    await until(clock, () => held(again) === 1)
    again.bench.attempts.end(0)
    await until(clock, () => again.bench.changes.includes(`job_ended ${JOB}`))

    expect(mesh.states.get(JOB)).toMatchObject({ phase: 'succeeded', epoch: 1 })
    expect(await again.bench.records.all()).toEqual([])
  })

  test('is not taken for an orphan, nor is its room given away, while it waits', async () => {
    const dead = await killed()
    mesh.reachable = false
    const again = await restart(dead)
    again.bench.claimer.consider()
    await clock.advance(2_000)

    expect(again.bench.attempts.cleared).toEqual([])
    expect(again.bench.claimer.taken).toEqual(new Set([JOB]))
    expect(again.bench.claimer.ledger.held.has(JOB)).toBe(true)

    mesh.reachable = true
    await clock.until(() => held(again) === 1, 10_000)
    expect(mesh.states.get(JOB)?.epoch).toBe(1)
  })

  // A step that has ended by our SIGTERM meanwhile would be shown as failed with 143.
  test('has no outcome of its own where its steps were told to end by a cancel', async () => {
    const again = await restart(await killed({ by: 'ops', reason: 'superseded', graceMs: 90_000 }))
    await until(clock, () => held(again) === 1)
    again.bench.attempts.end(0, 'failed')
    await clock.settle(again.recovered, 10_000)
    await until(clock, () => mesh.askedFor('release').length > 0)

    expect(mesh.askedFor('complete')).toEqual([])
    expect(mesh.states.get(JOB)?.phase).not.toBe('failed')
  })

  // Its step may have answered our SIGTERM with exit code 0, and the next one would begin.
  test('begins no step more where its steps were told to end by a cancel', async () => {
    const again = await restart(await killed({ by: 'ops', reason: 'superseded', graceMs: 90_000 }))
    await until(clock, () => held(again) === 1)

    await expectNoNextStep(again)
  })

  test('begins no step more where the register says that it is cancelled', async () => {
    const dead = await killed()
    const ops = mesh.member('ops', '00000000000000dd', clock)
    await ops.changeJob(JOB, 'dd'.repeat(16), { kind: 'cancel', reason: 'superseded' })
    // No renewal tells of it before that step has ended.
    mesh.answerMs = 400
    const again = await restart(dead)
    await clock.until(() => held(again) === 1, 10_000)

    await expectNoNextStep(again)
    await until(clock, () => mesh.states.get(JOB)?.phase !== 'leased')
    expect(mesh.states.get(JOB)?.outcome).toMatchObject({
      state: 'cancelled',
      message: expect.stringContaining('superseded')
    })
  })

  test('is adopted again after the next restart, under the next number', async () => {
    const first = await restart(await killed())
    await until(clock, () => held(first) === 1)
    mesh.changeable = false
    const records = first.bench.records.left()
    first.bench.claimer.quit()
    await clock.advance(0)
    mesh.changeable = true
    const second = await restart({ ...first.bench, records }, {}, '00000000000000cc')
    await until(clock, () => held(second) === 1)

    expect(mesh.states.get(JOB)?.lease?.adoption?.number).toBe(2)
  })
})

describe('a container that may not live on', () => {
  test('without a quorum is left to its deadline, and its lease is given back after it', async () => {
    const dead = await killed()
    mesh.reachable = false
    const again = await restart(dead)
    await clock.advance(HOLD_MS - 2_000)
    expect(again.bench.attempts.cleared).toEqual([])

    await clock.advance(4_000)
    mesh.reachable = true
    await clock.until(() => mesh.states.get(JOB)?.phase === 'queued', 30_000)

    expect(again.bench.attempts.cleared).toHaveLength(1)
    expect(held(again)).toBe(0)
    expect(mesh.askedFor('release').at(-1)?.body).toMatchObject({ userCodeRan: true })
  })

  test('whose steps were told to end by an agent that drained goes at once', async () => {
    const dead = await killed()
    const [record] = await dead.records.all()
    if (record !== undefined) await dead.records.put({ ...record, told: 'drained' })
    const again = await restart(dead)
    await clock.settle(again.recovered, 10_000)

    expect(again.candidates).toEqual([])
    expect(again.bench.attempts.reaped).toEqual([new Set()])
    expect(mesh.askedFor('release').at(-1)?.body).toMatchObject({ userCodeRan: true })
  })

  test('whose lease was taken over is removed, and its record with it', async () => {
    const dead = await killed()
    const other = claimBench(mesh, clock, { peerId: 'basalt' })
    mesh.tellBoards(clock)
    other.claimer.consider()
    await clock.until(() => other.attempts.inputs.length === 1, 80_000)
    const again = await restart(dead, { deadlineMs: clock.bootMs() + 10_000 })
    await clock.settle(again.recovered, 10_000)

    expect(again.bench.attempts.cleared).toHaveLength(1)
    expect(held(again)).toBe(0)
    expect(mesh.states.get(JOB)).toMatchObject({ phase: 'leased', epoch: 2 })
    expect(await again.bench.records.all()).toEqual([])
  })

  test.each([
    ['that has exited', { state: 'exited' }],
    ['that was never started', { state: 'created' }],
    ['without a deadline', { deadlineMs: undefined }],
    ['of another claim', { claimId: 'ff'.repeat(16) }]
  ] as const)('%s goes at once, before its lease is given back', async (_name, change) => {
    const again = await restart(await killed(), change)
    await clock.settle(again.recovered, 10_000)

    expect(again.candidates).toEqual([])
    expect(again.bench.attempts.reaped).toEqual([new Set()])
    expect(mesh.states.get(JOB)).toMatchObject({ phase: 'queued', attempts: 1 })
  })

  test('when the process ends first is left to the next one', async () => {
    const dead = await killed()
    mesh.reachable = false
    const again = await restart(dead)
    await clock.advance(500)
    again.stop.abort()
    await clock.settle(again.recovered, 10_000)

    expect(again.bench.attempts.cleared).toEqual([])
    expect(await again.bench.records.all()).toHaveLength(1)
  })
})
