import { expect, test } from 'vitest'
import type { JobState } from '../../../protocol/core/job.ts'
import { holdMs, LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import type { Role } from '../../../protocol/core/roster.ts'
import { MOVE_AFTER_MS } from '../../../protocol/core/roster-limits.ts'
import { jobIdOf } from '../../../protocol/core/run.ts'
import { MemoryMembers, succeeded } from '../../support/memory-members.ts'
import { until } from '../../support/until.ts'

const CLAIM = 'ab'.repeat(16)
const W: readonly Role[] = ['agent', 'witness']
const GATEWAY: readonly Role[] = ['gateway', 'witness']
/** A gateway and three agents; the last of them is no witness yet. */
const BEFORE: readonly (readonly Role[])[] = [GATEWAY, W, W, ['agent']]
/** The third one's seat goes to the fourth. */
const AFTER: readonly (readonly Role[])[] = [GATEWAY, W, ['agent'], W]
const STAGE = { name: 'step', step: 1, steps: 1 } as const

async function meshWithRun() {
  const mesh = await MemoryMembers.open({ roles: BEFORE })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.member(0).publish(sealed))
  await mesh.clock.advance(100)
  return { mesh, sealed, jobId: jobIdOf(sealed.announcement.runId, 0) }
}

type Mesh = MemoryMembers

function seen(mesh: Mesh, index: number, jobId: string) {
  const job = mesh.member(index).board.job(jobId)
  return { witnessEpoch: job?.witnessEpoch, phase: job?.state?.phase, epoch: job?.state?.epoch }
}

async function moved(mesh: Mesh, jobId: string): Promise<void> {
  const isThere = () => [0, 1, 3].every((index) => seen(mesh, index, jobId).witnessEpoch === 2)
  await until(mesh.clock, isThere)
}

async function renewed(mesh: Mesh, index: number, jobId: string) {
  const lease = { jobId, epoch: 1, claimId: CLAIM, stage: STAGE }
  const [outcome] = await mesh.settle(mesh.member(index).renew([lease]))
  return outcome
}

test('a job whose witness is gone for good goes on elsewhere, under its first epoch', async () => {
  const { mesh, jobId, sealed } = await meshWithRun()
  const claimed = await mesh.settle(mesh.claim(1, sealed, CLAIM))
  expect(claimed).toMatchObject({ kind: 'applied' })
  await mesh.kill(2)

  await mesh.changeRoster(AFTER)
  let renewedAtMs = mesh.clock.bootMs()
  for (let round = 0; round < 40; round += 1) {
    const { oks = 0, stale = 0 } = (await renewed(mesh, 1, jobId)) ?? {}
    expect(stale).toBe(0)
    if (oks >= 2) renewedAtMs = mesh.clock.bootMs()
    // Never so long without a quorum that its guard would end the container.
    expect(mesh.clock.bootMs() - renewedAtMs).toBeLessThan(holdMs(LEASE_PROFILES.short))
    await mesh.clock.advance(400)
  }
  expect(seen(mesh, 1, jobId)).toEqual({ witnessEpoch: 2, phase: 'leased', epoch: 1 })
  // All three of the new ones have it now.
  expect(await renewed(mesh, 1, jobId)).toMatchObject({ stale: 0, moved: 0, quorum: 2 })

  const body = { kind: 'complete', epoch: 1, claimId: CLAIM, outcome: succeeded(1) } as const
  const ended = await mesh.settle(mesh.member(1).changeJob(jobId, 'ef'.repeat(16), body))
  expect(ended).toMatchObject({ kind: 'applied', value: { phase: 'succeeded', epoch: 1 } })
  await mesh.clock.advance(3_000)
  for (const index of [0, 1, 3]) {
    expect(seen(mesh, index, jobId)).toEqual({ witnessEpoch: 2, phase: 'succeeded', epoch: 1 })
  }
})

test('a queued job moves by itself, and is claimed where it is', async () => {
  const { mesh, jobId, sealed } = await meshWithRun()
  await mesh.kill(2)
  await mesh.changeRoster(AFTER)
  await moved(mesh, jobId)

  expect(seen(mesh, 3, jobId)).toMatchObject({ phase: 'queued' })
  expect(await mesh.settle(mesh.claim(3, sealed, CLAIM))).toMatchObject({
    kind: 'applied',
    value: { phase: 'leased', epoch: 1 }
  })
  expect(seen(mesh, 3, jobId).witnessEpoch).toBe(2)
})

test('a witness that is only away moves nothing, until it has been away for long', async () => {
  const { mesh, jobId } = await meshWithRun()
  await mesh.kill(2)
  // Its seat stays; another one comes along, so there is an epoch to go to.
  await mesh.changeRoster([GATEWAY, W, W, W])
  await mesh.clock.advance(MOVE_AFTER_MS / 2)

  expect(seen(mesh, 0, jobId).witnessEpoch).toBe(1)
})

test('a member that starts later finds a moved job, and so does one that knew it', async () => {
  const { mesh, jobId, sealed } = await meshWithRun()
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  await mesh.kill(2)
  await mesh.changeRoster(AFTER)
  await renewed(mesh, 1, jobId)
  await moved(mesh, jobId)

  const again = await mesh.restart(3)
  const read = await mesh.settle(again.readJob(jobId))
  expect(read).toMatchObject({ kind: 'chosen', state: { phase: 'leased', epoch: 1 } })
  await mesh.clock.advance(15_000)
  expect(seen(mesh, 3, jobId)).toMatchObject({ witnessEpoch: 2, phase: 'leased' })
})

test('what was asked for before the move is answered after it', async () => {
  const { mesh, jobId, sealed } = await meshWithRun()
  const cancel = { kind: 'cancel', reason: 'not wanted' } as const
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  const opId = 'cd'.repeat(16)
  await mesh.settle(mesh.member(0).changeJob(jobId, opId, cancel))
  await mesh.kill(2)
  await mesh.changeRoster(AFTER)
  await moved(mesh, jobId)

  const answer = await mesh.settle(mesh.member(0).changeJob(jobId, opId, cancel))

  expect(answer).toMatchObject({ kind: 'same', value: { phase: 'leased' } })
  expect((answer.value as JobState).cancel).toMatchObject({ reason: 'not wanted' })
})

test('a job moves again, also when those that it left first are gone by then', async () => {
  const roles: readonly (readonly Role[])[] = [['gateway'], W, W, W, ['agent'], ['agent']]
  const mesh = await MemoryMembers.open({ roles })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.member(0).publish(sealed))
  await mesh.clock.advance(100)
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  const isIn = (epoch: number) => () => seen(mesh, 1, jobId).witnessEpoch === epoch
  const goes = async (to: readonly (readonly Role[])[], epoch: number) => {
    await mesh.changeRoster(to)
    for (let round = 0; round < 10 && !isIn(epoch)(); round += 1) {
      await renewed(mesh, 1, jobId)
      await mesh.clock.advance(400)
    }
    expect(isIn(epoch)()).toBe(true)
  }

  await mesh.kill(2)
  await goes([['gateway'], W, ['agent'], W, W, ['agent']], 2)
  // Of the witnesses that it had first only the holder is left.
  await mesh.kill(3)
  await goes([['gateway'], W, ['agent'], ['agent'], W, W], 3)

  expect(await renewed(mesh, 1, jobId)).toMatchObject({ oks: 2, quorum: 2 })
  // Who knows neither the run nor the job learns both from those that have it now.
  const again = await mesh.restart(5)
  await until(mesh.clock, () => again.board.job(jobId)?.state?.phase === 'leased')
  expect(again.board.job(jobId)).toMatchObject({ witnessEpoch: 3, state: { epoch: 1 } })
})

test('a job that two members move at once moves once, and neither tries for ever', async () => {
  const { mesh, jobId, sealed } = await meshWithRun()
  await mesh.kill(2)
  await mesh.changeRoster(AFTER)

  const body = { kind: 'move', witnessEpoch: 2, reason: 'witness_gone' } as const
  const both = [0, 1].map((index) => {
    return mesh.member(index).changeJob(jobId, `${index}`.repeat(32), body)
  })
  for (const change of await mesh.settle(Promise.all(both))) {
    expect(change).toMatchObject({ value: { phase: 'moved', moved: { witnessEpoch: 2 } } })
  }
  await moved(mesh, jobId)
  expect(await mesh.settle(mesh.claim(1, sealed, CLAIM))).toMatchObject({ kind: 'applied' })
})
