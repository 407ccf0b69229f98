import { expect, test } from 'vitest'
import type { Role } from '../../../protocol/core/roster.ts'
import { jobIdOf } from '../../../protocol/core/run.ts'
import { MemoryMembers, succeeded } from '../../support/memory-members.ts'
import { until } from '../../support/until.ts'

const CLAIM = 'ab'.repeat(16)
const W: readonly Role[] = ['agent', 'witness']
const STAGE = { name: 'step', step: 1, steps: 1 } as const

/** A gateway that witnesses nothing, a holder, and two witnesses that are about to be lost. */
async function lostMajority() {
  const mesh = await MemoryMembers.open({ roles: [['gateway'], W, W, W, ['agent'], ['agent']] })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.member(0).publish(sealed))
  await mesh.clock.advance(100)
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  await mesh.kill(2)
  await mesh.kill(3)
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  const after: readonly (readonly Role[])[] = [['gateway'], W, ['agent'], ['agent'], W, W]
  await mesh.changeRoster(after)
  const giveUp = () => {
    const epochSinceMs = mesh.member(0).roster()?.roster.epochSinceMs
    return mesh.changeRoster(after, { witnessEpoch: 2, epochSinceMs, lostEpochs: [1] })
  }
  return { mesh, sealed, jobId, giveUp }
}

async function oks(mesh: MemoryMembers, jobId: string): Promise<number> {
  const lease = { jobId, epoch: 1, claimId: CLAIM, stage: STAGE }
  const [outcome] = await mesh.settle(mesh.member(1).renew([lease]))
  return outcome?.oks ?? -1
}

test('without a majority nothing moves, whatever the roster says, until it is given up', async () => {
  const { mesh, jobId } = await lostMajority()
  await mesh.clock.advance(30_000)

  expect(mesh.member(0).board.job(jobId)?.witnessEpoch).toBe(1)
  expect(await oks(mesh, jobId)).toBe(1)
})

test('a run that begins anew takes the place of the one that was given up, everywhere', async () => {
  const { mesh, sealed, jobId, giveUp } = await lostMajority()
  await giveUp()
  const anew = mesh.announce({ witnessEpoch: 2 })
  expect(await mesh.settle(mesh.member(0).recordRun(anew, { fromEpoch: 1 }))).toEqual(anew)
  await mesh.settle(mesh.member(0).publish(anew))
  const live = [0, 1, 4, 5].map((index) => mesh.member(index))
  const hasIt = () => {
    return live.every(({ board }) => {
      return board.run(sealed.announcement.runId)?.sealed.annHash === anew.annHash
    })
  }
  await until(mesh.clock, hasIt)

  for (const { board } of live) {
    expect(board.job(jobId)).toMatchObject({ witnessEpoch: 2, state: undefined })
  }
  // The old lease counts for nothing: it is neither renewed nor ended.
  expect(await oks(mesh, jobId)).toBe(0)
  const body = { kind: 'complete', epoch: 1, claimId: CLAIM, outcome: succeeded(1) } as const
  const late = await mesh.settle(mesh.member(1).changeJob(jobId, 'ef'.repeat(16), body))
  expect(late.kind).toBe('rejected')
  expect(await mesh.settle(mesh.claim(4, anew, 'cd'.repeat(16)))).toMatchObject({
    kind: 'applied',
    value: { epoch: 1, attempts: 1 }
  })
})

test('a lease whose epoch is given up is renewed by nobody and takes no op', async () => {
  const { mesh, jobId, giveUp } = await lostMajority()
  await giveUp()

  expect(await oks(mesh, jobId)).toBe(0)
  const body = { kind: 'release', epoch: 1, claimId: CLAIM, reason: 'drained' } as const
  const opId = 'ef'.repeat(16)
  const release = { ...body, userCodeRan: true }
  const answer = await mesh.settle(mesh.member(1).changeJob(jobId, opId, release))
  expect(answer).toMatchObject({ kind: 'rejected', reason: 'absent' })
})
