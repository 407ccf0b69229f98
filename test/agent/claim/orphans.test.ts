import { beforeEach, describe, expect, test } from 'vitest'
import {
  type RecoveryParts,
  removeLeftovers,
  settleRecords
} from '../../../agent/claim/recovery.ts'
import { endOpId } from '../../../protocol/core/op-id.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { claimBench, runWith } from '../../support/claim-bench.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { OneRegister } from '../../support/one-register.ts'
import { plainDigest } from '../../support/plain-digest.ts'
import { until } from '../../support/until.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const JOB = `${RUN}.0`
const BEFORE = '1'.repeat(16)
const AFTER = '2'.repeat(16)

let mesh: OneRegister
let clock: FakeClock
beforeEach(() => {
  mesh = new OneRegister()
  clock = new FakeClock()
})

type Bench = ReturnType<typeof claimBench>
const held = (bench: Bench): number => bench.attempts.inputs.length

/** A process of this agent that holds every job of the run, and is gone. */
async function earlier(jobs: number): Promise<Bench> {
  mesh.addRun(runWith(RUN, jobs))
  const bench = claimBench(mesh, clock, { peerId: 'onyx', boot: BEFORE })
  bench.claimer.consider()
  await until(clock, () => held(bench) === jobs)
  bench.order.mayClaim = false
  mesh.changeable = false
  bench.claimer.quit()
  await clock.advance(0)
  mesh.changeable = true
  return bench
}

/** The next process, on an empty store. */
function next(): Bench {
  const bench = claimBench(mesh, clock, { peerId: 'onyx', boot: AFTER })
  mesh.tellBoards(clock)
  return bench
}

function recoveryOf(bench: Bench): RecoveryParts {
  return {
    registers: mesh.member('onyx', '3'.repeat(16), clock),
    clock,
    random: { next: () => 0.5, id: () => '0' },
    digest: plainDigest(),
    log: silentLog(),
    executor: bench.attempts,
    attempts: bench.records
  }
}

describe('a lease of an earlier process', () => {
  test('without a record is given back at once: no container was ever made for it', async () => {
    const before = await earlier(1)
    const after = next()
    after.claimer.consider()
    await until(clock, () => held(after) === 1)

    const { claimId } = before.attempts.inputs[0] ?? { claimId: '' }
    const [released] = mesh.askedFor('release')
    expect(released?.opId).toBe(endOpId(claimId, 'release', plainDigest()))
    expect(released?.body).toMatchObject({ reason: 'agent_lost', userCodeRan: false })
    expect(after.attempts.inputs[0]?.epoch).toBe(2)
    expect(after.attempts.cleared).toEqual([])
  })

  test('with a record is not given back before its container is confirmed gone', async () => {
    const before = await earlier(1)
    const after = next()
    for (const record of await before.records.all()) {
      await after.records.put({ ...record, userCodeRan: true })
    }
    after.attempts.trouble = new Error('the engine is away')
    after.claimer.consider()
    await clock.advance(20_000)
    expect(after.attempts.cleared.length).toBeGreaterThan(1)
    expect(mesh.askedFor('release')).toEqual([])

    after.attempts.trouble = undefined
    await until(clock, () => held(after) === 1)
    expect(mesh.askedFor('release')[0]?.body).toMatchObject({ userCodeRan: true })
    expect(after.attempts.inputs[0]).toMatchObject({ epoch: 2, attempt: 2 })
  })
})

describe('a restart', () => {
  test('removes containers first, then reports outcomes and gives leases back', async () => {
    const bench = await earlier(2)
    const [first, second] = await bench.records.all()
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
    const parts = recoveryOf(bench)

    await removeLeftovers(parts)
    // Nothing is kept, recorded or not.
    expect(bench.attempts.reaped).toEqual([new Set()])
    await clock.settle(settleRecords(parts, [], new AbortController().signal), 10_000)

    expect(mesh.states.get(first.register)).toMatchObject({ phase: 'failed' })
    expect(mesh.states.get(second.register)).toMatchObject({ phase: 'queued' })
    expect(await bench.records.all()).toEqual([])
  })

  test('takes no jobs while a container of before cannot be removed', async () => {
    const bench = await earlier(1)
    bench.attempts.trouble = new Error('the engine is away')

    await expect(removeLeftovers(recoveryOf(bench))).rejects.toThrow('the engine is away')
    expect(mesh.states.get(JOB)?.phase).toBe('leased')
  })
})
