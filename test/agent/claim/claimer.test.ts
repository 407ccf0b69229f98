import { beforeEach, expect, test } from 'vitest'
import { removeLeftovers, settleRecords } from '../../../agent/claim/recovery.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { claimBench, runWith } from '../../support/claim-bench.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { OneRegister } from '../../support/one-register.ts'
import { plainDigest } from '../../support/plain-digest.ts'
import { until } from '../../support/until.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'

let mesh: OneRegister
let clock: FakeClock
beforeEach(() => {
  mesh = new OneRegister()
  clock = new FakeClock()
})

const held = (bench: ReturnType<typeof claimBench>) => bench.attempts.inputs.length

test('an agent runs as many jobs as it has room for, and the next when one ends', async () => {
  mesh.addRun(runWith(RUN, 3))
  const bench = claimBench(mesh, clock, { peerId: 'onyx', jobs: 2 })

  bench.claimer.consider()
  await until(clock, () => held(bench) === 2)
  await clock.advance(2_000)
  expect(held(bench)).toBe(2)

  bench.attempts.end(0)
  await until(clock, () => held(bench) === 3)
  expect(mesh.states.size).toBe(3)
})

test('an order to drain stops claims but not what runs', async () => {
  mesh.addRun(runWith(RUN, 2))
  const bench = claimBench(mesh, clock, { peerId: 'onyx', jobs: 1 })
  bench.claimer.consider()
  await until(clock, () => held(bench) === 1)

  bench.order.mayClaim = false
  const drained = bench.claimer.drain()
  bench.attempts.end(0)
  let done = false
  void drained.then(() => {
    done = true
  })
  await until(clock, () => done)

  expect(held(bench)).toBe(1)
  expect([...mesh.states.values()].map((state) => state.phase)).toEqual(['succeeded'])
})

test('nothing is started without a lease: an unreachable mesh starts no attempt', async () => {
  mesh.addRun(runWith(RUN, 1))
  mesh.reachable = false
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })

  bench.claimer.consider()
  await clock.advance(20_000)
  expect(held(bench)).toBe(0)

  mesh.reachable = true
  await until(clock, () => held(bench) === 1)
})

test('a claim whose answer was lost is found to be ours and runs once', async () => {
  mesh.addRun(runWith(RUN, 1))
  mesh.ambiguous = 2
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })

  bench.claimer.consider()
  await until(clock, () => held(bench) === 1)
  await clock.advance(5_000)

  expect(held(bench)).toBe(1)
  expect(mesh.states.get(`${RUN}.0`)?.epoch).toBe(1)
})

test('the record is durable before the attempt starts, and the outcome before it is proposed', async () => {
  mesh.addRun(runWith(RUN, 1))
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })
  bench.claimer.consider()
  await until(clock, () => held(bench) === 1)
  expect(bench.records.written.map((record) => record.phase)).toEqual(['starting'])

  await bench.attempts.inputs[0]?.onUserCode()
  bench.attempts.end(0)
  await until(clock, () => mesh.states.get(`${RUN}.0`)?.phase === 'succeeded')

  const phases = bench.records.written.map((record) => record.phase)
  expect(phases).toEqual(['starting', 'running', 'exited'])
  await until(clock, () => bench.changes.includes(`job_ended ${RUN}.0`))
  expect(await bench.records.all()).toEqual([])
})

test('an outcome is proposed until the witnesses have it', async () => {
  mesh.addRun(runWith(RUN, 1))
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })
  bench.claimer.consider()
  await until(clock, () => held(bench) === 1)

  mesh.reachable = false
  bench.attempts.end(0)
  await clock.advance(10_000)
  expect(await bench.records.all()).toHaveLength(1)
  mesh.reachable = true
  await until(clock, () => mesh.states.get(`${RUN}.0`)?.phase === 'succeeded')
})

test('a holder that cannot renew ends its attempt before the lease can expire', async () => {
  mesh.addRun(runWith(RUN, 1))
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })
  const claimedAtMs = clock.bootMs()
  bench.claimer.consider()
  await until(clock, () => held(bench) === 1)
  let endedAtMs = 0
  bench.attempts.inputs[0]?.signal.addEventListener('abort', () => {
    endedAtMs = clock.bootMs()
  })

  mesh.renewable = false
  bench.order.mayClaim = false
  await until(clock, () => endedAtMs > 0)

  // 30 s lease, 3 s kill budget; the claim began at `claimedAtMs`, witnesses may count from there.
  expect(endedAtMs - claimedAtMs).toBeLessThanOrEqual(27_000 + 5_000)
  const reason = bench.attempts.inputs[0]?.signal.reason
  expect(reason).toBeInstanceOf(MeshError)
  expect(reason).toMatchObject({ code: 'LEASE_LOST' })
})

test('a living attempt is renewed again and again and keeps its lease', async () => {
  mesh.addRun(runWith(RUN, 1))
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })
  bench.claimer.consider()
  await until(clock, () => held(bench) === 1)

  await clock.advance(120_000)

  expect(bench.attempts.inputs[0]?.signal.aborted).toBe(false)
  expect(mesh.renewals.length).toBeGreaterThanOrEqual(20)
  const [input] = bench.attempts.inputs
  expect(input?.deadlineMs()).toBeGreaterThan(clock.bootMs())
})

test('a cancel that rides on a renewal ends the job as cancelled', async () => {
  mesh.addRun(runWith(RUN, 1))
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })
  bench.claimer.consider()
  await until(clock, () => held(bench) === 1)

  mesh.cancel = { by: 'ops', reason: 'superseded' }
  await until(clock, () => mesh.states.get(`${RUN}.0`)?.phase === 'cancelled')

  expect(mesh.states.get(`${RUN}.0`)?.outcome?.message).toContain('superseded')
})

test('stopping gives leases back, so that another agent can run the job', async () => {
  mesh.addRun(runWith(RUN, 1))
  const onyx = claimBench(mesh, clock, { peerId: 'onyx' })
  onyx.claimer.consider()
  await until(clock, () => held(onyx) === 1)
  onyx.order.mayClaim = false
  let stopped = false
  void onyx.claimer.stop().then(() => {
    stopped = true
  })
  await until(clock, () => stopped)
  expect(mesh.states.get(`${RUN}.0`)).toMatchObject({ phase: 'queued', attempts: 0 })

  const basalt = claimBench(mesh, clock, { peerId: 'basalt' })
  const board = mesh.states.get(`${RUN}.0`)
  expect(board?.epoch).toBe(1)
  basalt.claimer.consider()
  await until(clock, () => held(basalt) === 1)
  expect(basalt.attempts.inputs[0]).toMatchObject({ epoch: 2, attempt: 1 })
})

test('a lease of an earlier process of this agent, without a record, is given back', async () => {
  mesh.addRun(runWith(RUN, 1))
  const before = claimBench(mesh, clock, { peerId: 'onyx', boot: '1'.repeat(16) })
  before.claimer.consider()
  await until(clock, () => held(before) === 1)
  before.claimer.quit()
  before.order.mayClaim = false

  const after = claimBench(mesh, clock, { peerId: 'onyx', boot: '2'.repeat(16) })
  const state = mesh.states.get(`${RUN}.0`)
  if (state !== undefined) after.claimer.consider()
  await until(clock, () => held(after) === 1 || mesh.states.get(`${RUN}.0`)?.phase === 'queued')
  await until(clock, () => held(after) === 1)
  expect(after.attempts.inputs[0]?.epoch).toBe(2)
})

test('after a restart containers go first, then outcomes are reported and leases given back', async () => {
  mesh.addRun(runWith(RUN, 2))
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })
  bench.claimer.consider()
  await until(clock, () => held(bench) === 2)
  const records = await bench.records.all()
  const [first, second] = records
  if (first === undefined || second === undefined) throw new Error('two records are there')
  const outcome = {
    epoch: first.epoch,
    state: 'failed',
    reason: 'exit_code',
    exitCode: 3,
    message: 'exited 3',
    steps: [],
    durationMs: 1,
    logDigest: '',
    logLines: 0
  } as const
  await bench.records.put({ ...first, phase: 'exited', outcome })
  const again = new OneRegisterRecovery(mesh, clock, bench)

  await removeLeftovers(again.parts)
  expect(bench.attempts.reaped).toEqual([new Set()])
  let settled = false
  void settleRecords(again.parts, new AbortController().signal).then(() => {
    settled = true
  })
  await until(clock, () => settled)

  expect(mesh.states.get(first.register)).toMatchObject({ phase: 'failed' })
  expect(mesh.states.get(second.register)).toMatchObject({ phase: 'queued' })
  expect(await bench.records.all()).toEqual([])
})

class OneRegisterRecovery {
  readonly parts
  constructor(from: OneRegister, on: FakeClock, bench: ReturnType<typeof claimBench>) {
    this.parts = {
      registers: from.member('onyx', '3'.repeat(16), on),
      clock: on,
      random: { next: () => 0.5, id: () => '0' },
      digest: plainDigest(),
      log: silentLog(),
      executor: bench.attempts,
      attempts: bench.records
    }
  }
}
