import { describe, expect, test } from 'vitest'
import type { OutcomeState } from '../../../../protocol/core/job.ts'
import type { JobSpec, SealedAnnouncement } from '../../../../protocol/core/run.ts'
import { jobIdOf } from '../../../../protocol/core/run.ts'
import { MemoryMembers, succeeded } from '../../../support/memory-members.ts'
import { until } from '../../../support/until.ts'

/** A gateway and two agents that witness, an agent that does not, and a second gateway. */
const FIVE = [
  ['gateway', 'witness'],
  ['agent', 'witness'],
  ['agent', 'witness'],
  ['agent'],
  ['gateway']
] as const
const CLAIM = 'ab'.repeat(16)

type Jobs = readonly Partial<JobSpec>[]

async function meshWith(jobs: Jobs): Promise<{ mesh: MemoryMembers; sealed: SealedAnnouncement }> {
  const mesh = await MemoryMembers.open({ roles: FIVE })
  return { mesh, sealed: await announced(mesh, jobs) }
}

async function announced(
  mesh: MemoryMembers,
  jobs: Jobs,
  commit?: string
): Promise<SealedAnnouncement> {
  const sealed = mesh.announce({ jobs, ...(commit === undefined ? {} : { commit }) })
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.member(0).publish(sealed))
  await mesh.clock.advance(100)
  return sealed
}

async function end(mesh: MemoryMembers, sealed: SealedAnnouncement, state: OutcomeState) {
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  const outcome = { ...succeeded(1), state }
  const body = { kind: 'complete', epoch: 1, claimId: CLAIM, outcome } as const
  const change = await mesh.settle(mesh.member(1).changeJob(jobId, 'cd'.repeat(16), body))
  expect(change).toMatchObject({ kind: 'applied' })
  await mesh.settle(mesh.member(1).hint(jobId))
}

function phase(mesh: MemoryMembers, sealed: SealedAnnouncement, index: number) {
  const jobId = jobIdOf(sealed.announcement.runId, index)
  return mesh.member(3).board.job(jobId)?.state?.phase ?? 'queued'
}

function actor(mesh: MemoryMembers, sealed: SealedAnnouncement, index: number) {
  return mesh.member(3).board.job(jobIdOf(sealed.announcement.runId, index))?.state?.op.actor
}

describe('what needs a job that failed', () => {
  const jobs = [{ name: 'a' }, { name: 'b', needs: [0] }, { name: 'c', needs: [1] }]

  test('is skipped by the gateway that announced it, all the way down', async () => {
    const { mesh, sealed } = await meshWith(jobs)
    await end(mesh, sealed, 'failed')
    await until(mesh.clock, () => phase(mesh, sealed, 2) === 'skipped')
    expect([1, 2].map((index) => actor(mesh, sealed, index))).toEqual([
      mesh.key(0).peerId,
      mesh.key(0).peerId
    ])
    const { state } = mesh.member(3).board.job(jobIdOf(sealed.announcement.runId, 1)) ?? {}
    expect(state?.op.body).toMatchObject({ kind: 'skip', reason: 'needs a, which failed' })
    expect(mesh.member(3).board.runStatus(sealed.announcement.runId)).toBe('failed')
  })

  test('is skipped by another where that gateway is gone', async () => {
    const { mesh, sealed } = await meshWith(jobs)
    await mesh.kill(0)
    await end(mesh, sealed, 'errored')
    await until(mesh.clock, () => phase(mesh, sealed, 2) === 'skipped')
    expect(actor(mesh, sealed, 1)).not.toBe(mesh.key(0).peerId)
  })

  test('is not skipped after a success', async () => {
    const { mesh, sealed } = await meshWith(jobs)
    await end(mesh, sealed, 'succeeded')
    await mesh.clock.advance(10_000)
    expect([1, 2].map((index) => phase(mesh, sealed, index))).toEqual(['queued', 'queued'])
  })
})

test('a newer run cancels the older one of its group, queued or running', async () => {
  const concurrency = { group: 'prod', cancelSuperseded: true }
  const { mesh, sealed: first } = await meshWith([{ concurrency }, { concurrency }])
  await mesh.settle(mesh.claim(1, first, CLAIM))
  await mesh.settle(mesh.member(1).hint(jobIdOf(first.announcement.runId, 0)))

  const second = await announced(mesh, [{ concurrency }], 'beef')

  await until(mesh.clock, () => phase(mesh, first, 1) === 'cancelled')
  const reason = `superseded by run ${second.announcement.runId}`
  const job = (index: number) => {
    return mesh.member(3).board.job(jobIdOf(first.announcement.runId, index))?.state
  }
  expect(job(1)?.cancel?.reason).toBe(reason)
  // Its container must end first: the holder sees the flag with its next renewal.
  await until(mesh.clock, () => job(0)?.cancel !== undefined)
  expect(job(0)).toMatchObject({ phase: 'leased', cancel: { reason } })
  expect(phase(mesh, second, 0)).toBe('queued')
})
