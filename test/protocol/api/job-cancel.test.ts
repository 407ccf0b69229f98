import { beforeEach, expect, test } from 'vitest'
import { type CancelAnswer, type CancelParts, cancelJob } from '../../../protocol/api/job-cancel.ts'
import { CANCEL_MS_MAX } from '../../../protocol/core/follow-limits.ts'
import { claimBench, runWith } from '../../support/claim-bench.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { OneRegister } from '../../support/one-register.ts'
import { until } from '../../support/until.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const JOB = `${RUN}.0`

let mesh: OneRegister
let clock: FakeClock
let hints: string[]
let ops: string[]

beforeEach(() => {
  mesh = new OneRegister()
  clock = new FakeClock()
  hints = []
  ops = []
  mesh.addRun(runWith(RUN, 1))
})

/** What the member `slate` does: it holds nothing itself. */
async function cancel(
  reason = 'superseded',
  first?: () => void,
  instead?: CancelAnswer
): Promise<unknown> {
  const member = mesh.member('slate', 'f'.repeat(16), clock)
  const state = mesh.states.get(JOB)
  if (state !== undefined) member.board.foldJob(state, 0)
  const job = member.board.job(JOB)
  if (job === undefined) throw new Error('the board has the job')
  const parts: CancelParts = {
    clock,
    random: { next: () => 0.5, id: (bytes) => `${ops.length}`.padStart(2 * bytes, '0') },
    changeJob: async (jobId, opId, body): Promise<CancelAnswer> => {
      ops.push(opId)
      first?.()
      if (first !== undefined) await until(clock, () => mesh.states.get(JOB)?.phase !== 'leased')
      return instead ?? (await member.changeJob(jobId, opId, body))
    },
    hint: async (jobId) => void hints.push(jobId),
    health: () => ({ w: 3, quorum: 2 })
  }
  return await cancelJob(parts, job, { reason }).catch((error: unknown) => error)
}

test('a queued job is over with the order, and nobody starts it any more', async () => {
  expect(await cancel()).toBe('cancelled')

  const bench = claimBench(mesh, clock, { peerId: 'onyx' })
  bench.claimer.consider()
  await clock.advance(60_000)
  expect(bench.attempts.inputs).toEqual([])
  expect(mesh.states.get(JOB)).toMatchObject({
    phase: 'cancelled',
    cancel: { by: 'slate', reason: 'superseded' }
  })
  expect(hints).toEqual([JOB])
})

test('a held job is flagged; its holder stops the steps and records it as cancelled', async () => {
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })
  bench.claimer.consider()
  await until(clock, () => bench.attempts.inputs.length === 1)

  expect(await cancel()).toBe('requested')
  expect(mesh.states.get(JOB)?.phase).toBe('leased')
  // Asked again, it is the same order.
  expect(await cancel('again')).toBe('requested')
  await until(clock, () => mesh.states.get(JOB)?.phase === 'cancelled')

  expect(bench.attempts.inputs[0]?.signal.reason).toBe('cancelled')
  expect(mesh.states.get(JOB)?.outcome).toMatchObject({
    reason: 'cancelled',
    message: 'cancelled: superseded'
  })
  expect(bench.claimer.heldJobs).toEqual([])
})

test('a job that its witnesses have dropped has ended', async () => {
  const gone = { kind: 'rejected', reason: 'gone', value: undefined } as const

  expect(await cancel('late', undefined, gone)).toMatchObject({ code: 'JOB_ENDED' })
})

test('a job whose witness epoch was given up is told of with its run, which begins anew', async () => {
  const lost = { kind: 'rejected', reason: 'absent', value: undefined } as const

  const error = await cancel('late', undefined, lost)
  expect(error).toMatchObject({ code: 'RUN_SUPERSEDED', facts: { id: RUN, witnessEpoch: 1 } })
})

test('an order that was taken can be overtaken by the end of the job', async () => {
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })
  bench.claimer.consider()
  await until(clock, () => bench.attempts.inputs.length === 1)

  expect(await cancel()).toBe('requested')
  bench.attempts.end(0)
  await until(clock, () => mesh.states.get(JOB)?.phase !== 'leased')

  expect(mesh.states.get(JOB)?.phase).toBe('succeeded')
  expect(await cancel()).toMatchObject({ code: 'JOB_ENDED', facts: { state: 'succeeded' } })
})

test('a job that ended before the board heard of it is named by its register', async () => {
  const bench = claimBench(mesh, clock, { peerId: 'onyx' })
  bench.claimer.consider()
  await until(clock, () => bench.attempts.inputs.length === 1)
  const asked = cancel('x', () => bench.attempts.end(0, 'failed'))
  await until(clock, () => mesh.states.get(JOB)?.phase === 'failed')

  expect(await asked).toMatchObject({ code: 'JOB_ENDED', facts: { state: 'failed' } })
})

test('an answer that is lost is asked for again under the same id', async () => {
  mesh.ambiguous = 2
  const asked = cancel()
  await clock.advance(CANCEL_MS_MAX / 2)

  expect(await asked).toBe('cancelled')
  expect(ops).toHaveLength(3)
  expect(new Set(ops).size).toBe(1)
})

test('without a quorum the order is given up in time, with a way out', async () => {
  mesh.reachable = false
  const asked = cancel()
  await clock.advance(2 * CANCEL_MS_MAX)

  const error = await asked
  expect(error).toMatchObject({ code: 'QUORUM_UNREACHABLE', kind: { exit: 5 } })
  expect(String(error)).toContain('agent status')
  expect(clock.armed()).toBe(0)
})
