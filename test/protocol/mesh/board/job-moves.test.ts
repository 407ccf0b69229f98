import { expect, test } from 'vitest'
import type { Role } from '../../../../protocol/core/roster.ts'
import { jobIdOf } from '../../../../protocol/core/run.ts'
import { MemoryMembers } from '../../../support/memory-members.ts'

const W: readonly Role[] = ['agent', 'witness']
const A: readonly Role[] = ['agent']
const GATEWAY: readonly Role[] = ['gateway', 'witness']
const MOVE = { kind: 'move', witnessEpoch: 2, reason: 'witness_gone' } as const

/** A job whose register under the second epoch was dropped already, as its run may be anywhere. */
async function dropped() {
  const mesh = await MemoryMembers.open({ roles: [GATEWAY, W, W, A] })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  const keys = [{ register: jobId, witnessEpoch: 2 }]
  for (const index of [0, 1, 2, 3]) {
    await mesh.settle(mesh.store(index).drop({ keys, annHashes: [], wallMs: mesh.clock.wallMs() }))
    await mesh.settle(mesh.restart(index))
  }
  await mesh.clock.advance(2_000)
  await mesh.changeRoster([GATEWAY, W, A, W])
  return { mesh, jobId, runId: sealed.announcement.runId }
}

test('a job that moved to where it was dropped is gone, and not asked for without end', async () => {
  const { mesh, jobId, runId } = await dropped()

  const moved = mesh.settle(mesh.member(0).changeJob(jobId, 'ab'.repeat(16), MOVE))
  await expect(moved).rejects.toMatchObject({ code: 'RUN_GONE' })
  expect(mesh.member(0).board.run(runId)).toBeUndefined()

  const read = mesh.settle(mesh.member(1).readJob(jobId))
  await expect(read).rejects.toMatchObject({ code: 'RUN_GONE' })
})

test('a job that moved to where nobody answers is asked for again', async () => {
  const mesh = await MemoryMembers.open({ roles: [GATEWAY, W, W, A, A] })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.clock.advance(2_000)
  // One of its three new witnesses is up, which is no quorum.
  await mesh.kill(3)
  await mesh.kill(4)
  await mesh.changeRoster([GATEWAY, A, A, W, W])
  await mesh.clock.advance(2_000)

  const moved = await mesh.settle(mesh.member(0).changeJob(jobId, 'ab'.repeat(16), MOVE))

  expect(moved).toMatchObject({ kind: 'unresolved' })
  expect(await mesh.settle(mesh.member(0).readJob(jobId))).toMatchObject({ kind: 'unreachable' })
})
