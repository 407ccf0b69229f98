import { expect, test } from 'vitest'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import { jobIdOf, type SealedAnnouncement } from '../../../protocol/core/run.ts'
import type { Member } from '../../../protocol/mesh/member.ts'
import { MemoryMembers, succeeded } from '../../support/memory-members.ts'

const FOUR = [
  ['gateway', 'witness'],
  ['agent', 'witness'],
  ['agent', 'witness'],
  ['agent']
] as const
const PERIOD_MS = LEASE_PROFILES.short.antiEntropyMs
const CLAIM = 'ab'.repeat(16)

function phaseAt(member: Member, sealed: SealedAnnouncement): string {
  const job = member.board.job(jobIdOf(sealed.announcement.runId, 0))
  return job === undefined ? 'unknown' : (job.state?.phase ?? 'queued')
}

async function complete(mesh: MemoryMembers, index: number, sealed: SealedAnnouncement) {
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  const body = { kind: 'complete', epoch: 1, claimId: CLAIM, outcome: succeeded(1) } as const
  return await mesh.settle(mesh.member(index).changeJob(jobId, 'ef'.repeat(16), body))
}

test('without gossip every board has the run within one anti-entropy period', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR, gossip: false })
  const sealed = mesh.announce()
  await mesh.clock.advance(5 * PERIOD_MS)

  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.clock.advance(1.2 * PERIOD_MS + 50)

  expect(mesh.all.map((member) => phaseAt(member, sealed))).toEqual(FOUR.map(() => 'queued'))
  expect(mesh.network.published).toBe(0)
})

test('boards converge after a partition, at once when the link is back', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR, gossip: false })
  const sealed = mesh.announce()
  mesh.network.isolate(mesh.member(3).peerId, mesh.member(2).peerId)
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  expect(await complete(mesh, 1, sealed)).toMatchObject({ kind: 'applied' })
  await mesh.clock.advance(60_000)
  expect(mesh.all.map((member) => phaseAt(member, sealed)).slice(2)).toEqual(['unknown', 'unknown'])

  mesh.network.heal()
  await mesh.clock.advance(100)

  expect(mesh.all.map((member) => phaseAt(member, sealed))).toEqual(FOUR.map(() => 'succeeded'))
})

test('a witness that missed an accept has it after its next visit to the others', async () => {
  const mesh = await MemoryMembers.open({ gossip: false })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  mesh.network.isolate(mesh.member(2).peerId)
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  await complete(mesh, 1, sealed)
  await mesh.clock.advance(30_000)
  mesh.network.heal()
  await mesh.clock.advance(2 * PERIOD_MS)

  const page = await mesh.settle(mesh.store(2).changes(0, 10, false))

  const jobId = jobIdOf(sealed.announcement.runId, 0)
  const job = page.items.find(({ register }) => register === jobId)
  expect(job).toMatchObject({ phase: 'succeeded', version: 3 })
})

test('a member that restarts has open and ended jobs on its board again', async () => {
  const mesh = await MemoryMembers.open({ gossip: false })
  const [open, ended] = [mesh.announce(), mesh.announce({ commit: 'beef' })]
  await mesh.settle(mesh.member(0).recordRun(open))
  await mesh.settle(mesh.member(0).recordRun(ended))
  await mesh.settle(mesh.claim(1, ended, CLAIM))
  await complete(mesh, 1, ended)

  const again = await mesh.restart(0)
  await mesh.clock.advance(200)

  expect(phaseAt(again, open)).toBe('queued')
  expect(phaseAt(again, ended)).toBe('succeeded')
})

test('a run that reached one witness only is finished by the witnesses themselves', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR, gossip: false })
  const sealed = mesh.announce()
  const gateway = mesh.member(0)
  const recorded = gateway.recordRun(sealed)
  const failed = expect(recorded).rejects.toMatchObject({ code: 'STOPPING' })
  await mesh.clock.until(() => mesh.store(0).saves >= 2, 1_000)
  mesh.network.isolate(gateway.peerId)
  await mesh.clock.advance(20)
  await mesh.restart(0)
  await failed
  expect(mesh.all.slice(1).map((member) => phaseAt(member, sealed))).toEqual(
    FOUR.slice(1).map(() => 'unknown')
  )

  mesh.network.heal()
  await mesh.clock.advance(10 * PERIOD_MS)

  expect(mesh.all.map((member) => phaseAt(member, sealed))).toEqual(FOUR.map(() => 'queued'))
})

test('a run that only a witness of an earlier epoch still shows comes to every board', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR, gossip: false })
  const sealed = mesh.announce()
  mesh.network.isolate(mesh.member(2).peerId)
  await mesh.settle(mesh.member(0).recordRun(sealed))
  // Of the two that have it one is gone for good, the other gives its seat away.
  await mesh.kill(0)
  mesh.network.heal()
  await mesh.changeRoster([FOUR[0], ['agent'], FOUR[2], ['agent', 'witness']])
  for (const index of [1, 2, 3]) await mesh.restart(index)
  await mesh.clock.advance(10 * PERIOD_MS)

  for (const index of [1, 2, 3]) {
    expect(phaseAt(mesh.member(index), sealed)).toBe('queued')
  }
})

test('while nothing changes a period costs one small request a witness', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR, gossip: false })
  await mesh.settle(mesh.member(0).recordRun(mesh.announce()))
  await mesh.clock.advance(5 * PERIOD_MS)
  mesh.network.passed.length = 0

  await mesh.clock.advance(10 * PERIOD_MS)

  // Four members, three witnesses, less the three that ask themselves; the period varies by a
  // fifth.
  expect(mesh.network.passed.length).toBeGreaterThanOrEqual(9 * 8)
  expect(mesh.network.passed.length).toBeLessThanOrEqual(9 * 13)
  expect(Math.max(...mesh.network.passed.map(({ body }) => body.length))).toBeLessThan(64)
})

test('after a stop nothing is armed and nothing is sent', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  await mesh.settle(mesh.member(0).recordRun(mesh.announce()))
  await mesh.clock.advance(3 * PERIOD_MS)

  await mesh.stop()
  await mesh.clock.advance(1_000)

  expect(mesh.clock.armed()).toBe(0)
})

/** Some runs that have ended, each with one job, and a member that starts and sees them first. */
async function restartedAmong(pastRuns: number) {
  const mesh = await MemoryMembers.open({ roles: FOUR, gossip: false })
  for (let run = 0; run < pastRuns; run += 1) {
    const sealed = mesh.announce({ commit: `ab${String(run).padStart(2, '0')}` })
    await mesh.settle(mesh.member(0).recordRun(sealed))
    await mesh.settle(mesh.claim(1, sealed, CLAIM))
    await complete(mesh, 1, sealed)
  }
  const open = mesh.announce({ commit: 'feed' })
  await mesh.settle(mesh.member(0).recordRun(open))
  const again = await mesh.restart(3)
  const seen = new Set<string>()
  again.on(() => {
    for (const { jobId } of again.board.openJobs()) seen.add(jobId)
  })
  return { mesh, open, again, seen }
}

test('a member that starts never takes a job that has ended for one that is open', async () => {
  const { mesh, open, again, seen } = await restartedAmong(12)
  await mesh.clock.advance(5_000)

  expect(
    again.board
      .jobs()
      .map(({ state }) => state?.phase ?? 'queued')
      .sort()
  ).toEqual(['queued', ...Array.from({ length: 12 }, () => 'succeeded')])
  expect([...seen]).toEqual([jobIdOf(open.announcement.runId, 0)])
})

test('work comes before history, however much of it there is', async () => {
  const { mesh, open, again } = await restartedAmong(40)
  await mesh.clock.until(() => phaseAt(again, open) === 'queued', 1_000)

  expect(again.board.size).toBeLessThan(10)
  await mesh.clock.advance(20_000)
  expect(again.board.size).toBe(41)
})
