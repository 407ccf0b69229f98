import { describe, expect, test } from 'vitest'
import { Board } from '../../../../protocol/core/board.ts'
import { RETENTION_MS } from '../../../../protocol/core/retention-limits.ts'
import { jobIdOf, type SealedAnnouncement } from '../../../../protocol/core/run.ts'
import { RunEnding } from '../../../../protocol/mesh/board/run-ending.ts'
import { refOf } from '../../../../protocol/mesh/board/run-ledger.ts'
import { sealRoster } from '../../../../protocol/wire/roster-codec.ts'
import { succeeded } from '../../../support/memory-members.ts'
import { keyOfSeed, type MemoryMesh } from '../../../support/memory-mesh.ts'
import { openMesh as open } from '../../../support/open-mesh.ts'

const DAY_MS = 86_400_000
const TWO_GATEWAYS = [
  ['gateway', 'witness'],
  ['agent', 'witness'],
  ['gateway', 'witness']
] as const
const CLAIM = 'ab'.repeat(16)

/** A run whose only job has ended, as all witnesses have it. */
async function endedRun(mesh: MemoryMesh): Promise<SealedAnnouncement> {
  const [gateway, agent] = [mesh.peer(0), mesh.peer(1)]
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(agent.create(sealed))
  await mesh.settle(agent.claim(sealed, CLAIM))
  const body = { kind: 'complete', epoch: 1, claimId: CLAIM, outcome: succeeded(1) } as const
  expect(await mesh.settle(agent.change(sealed, body))).toMatchObject({ kind: 'applied' })
  await mesh.clock.advance(2_000)
  return sealed
}

/** The next announcement of the first gateway, which says that all before it are closed. */
async function raiseFloor(mesh: MemoryMesh, commit = 'beef'): Promise<SealedAnnouncement> {
  const next = mesh.announce({ commit, floor: 1 })
  await mesh.settle(mesh.peer(0).record(next))
  await mesh.clock.advance(2_000)
  return next
}

async function sweepAll(mesh: MemoryMesh): Promise<void> {
  for (const peer of mesh.peers) await mesh.settle(peer.service.sweepEnded())
}

const registersIn = async (mesh: MemoryMesh, index: number): Promise<readonly string[]> => {
  const { runs } = await mesh.peer(index).store.runs('', 10)
  return runs.flat().map(({ register }) => register)
}

async function droppedRun(mesh: MemoryMesh): Promise<SealedAnnouncement> {
  const sealed = await endedRun(mesh)
  mesh.clock.jumpWall(RETENTION_MS + DAY_MS)
  await raiseFloor(mesh)
  await sweepAll(mesh)
  return sealed
}

describe('a run that has ended', () => {
  test('goes from all witnesses once it is old and its gateway’s floor is above it', async () => {
    const mesh = await open({ roles: TWO_GATEWAYS })
    const sealed = await endedRun(mesh)
    const { runId } = sealed.announcement
    await sweepAll(mesh)
    expect(await registersIn(mesh, 1)).toContain(jobIdOf(runId, 0))

    mesh.clock.jumpWall(RETENTION_MS + DAY_MS)
    await sweepAll(mesh)
    // No floor has come yet: no witness raises one by itself.
    expect(await registersIn(mesh, 1)).toContain(jobIdOf(runId, 0))

    const next = await raiseFloor(mesh)
    await sweepAll(mesh)
    for (const index of [0, 1, 2]) {
      expect(await registersIn(mesh, index)).toEqual([next.announcement.runId])
      expect(await mesh.peer(index).store.announcement(sealed.annHash)).toBeUndefined()
    }
  })

  test('stays while a job of it is open, whatever the floor says', async () => {
    const mesh = await open({ roles: TWO_GATEWAYS })
    const sealed = mesh.announce()
    await mesh.settle(mesh.peer(0).record(sealed))
    await mesh.settle(mesh.peer(1).create(sealed))
    mesh.clock.jumpWall(RETENTION_MS + DAY_MS)
    await raiseFloor(mesh)
    await sweepAll(mesh)

    expect(await registersIn(mesh, 2)).toContain(jobIdOf(sealed.announcement.runId, 0))
  })
})

test('the ended runs of a gateway that has left stay, however old: nobody closes them', async () => {
  const mesh = await open({ roles: TWO_GATEWAYS })
  const sealed = await endedRun(mesh)
  const before = mesh.rosters.current()
  if (before === undefined) throw new Error('no roster')
  const members = before.roster.members.map((member) => {
    return member.peerId === mesh.peer(0).peerId
      ? { ...member, roles: ['witness' as const] }
      : member
  })
  const next = { ...before.roster, version: 2, prevHash: before.hash, members }
  mesh.rosters.add(sealRoster(await keyOfSeed(0), next))

  mesh.clock.jumpWall(365 * DAY_MS)
  await sweepAll(mesh)

  for (const index of [0, 1, 2]) {
    expect(await registersIn(mesh, index)).toContain(jobIdOf(sealed.announcement.runId, 0))
  }
})

describe('a witness that missed the end of a job', () => {
  /** The third one has the job as queued; the others have it ended. */
  async function lagging(): Promise<{ mesh: MemoryMesh; job: string }> {
    const mesh = await open({ roles: TWO_GATEWAYS })
    const [gateway, agent, late] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    await mesh.settle(gateway.record(sealed))
    await mesh.settle(agent.create(sealed))
    await mesh.clock.advance(2_000)
    mesh.network.isolate(late.peerId)
    await mesh.settle(agent.claim(sealed, CLAIM))
    const body = { kind: 'complete', epoch: 1, claimId: CLAIM, outcome: succeeded(1) } as const
    expect(await mesh.settle(agent.change(sealed, body))).toMatchObject({ kind: 'applied' })
    mesh.clock.jumpWall(RETENTION_MS + DAY_MS)
    await mesh.clock.advance(5_000)
    return { mesh, job: jobIdOf(sealed.announcement.runId, 0) }
  }

  test('drops it once a quorum has, and not while nobody can be asked', async () => {
    const { mesh, job } = await lagging()
    await raiseFloor(mesh)
    for (const index of [0, 1]) await mesh.settle(mesh.peer(index).service.sweepEnded())
    expect(await registersIn(mesh, 1)).not.toContain(job)
    mesh.network.heal()
    await raiseFloor(mesh, 'feed')
    mesh.network.isolate(mesh.peer(2).peerId)
    await mesh.settle(mesh.peer(2).service.sweepEnded())
    expect(await registersIn(mesh, 2)).toContain(job)

    mesh.network.heal()
    await mesh.settle(mesh.peer(2).service.sweepEnded())
    expect(await registersIn(mesh, 2)).not.toContain(job)
    expect(await mesh.peer(2).store.isDropped({ register: job, witnessEpoch: 1 })).toBe(true)
  })

  test('gets the end from the others where they still keep it, and drops it then', async () => {
    const { mesh, job } = await lagging()
    mesh.network.heal()
    await raiseFloor(mesh)
    await mesh.settle(mesh.peer(2).service.sweepEnded())
    expect(await registersIn(mesh, 2)).toContain(job)
    await mesh.clock.advance(2_000)
    await mesh.settle(mesh.peer(2).service.sweepEnded())
    expect(await registersIn(mesh, 2)).not.toContain(job)
  })
})

describe('a run that was dropped', () => {
  test('is gone for readers, for its holder’s renewals and for late changes', async () => {
    const mesh = await open({ roles: TWO_GATEWAYS })
    const sealed = await droppedRun(mesh)
    const agent = mesh.peer(1)
    const ref = refOf(sealed, jobIdOf(sealed.announcement.runId, 0))

    expect(await mesh.settle(agent.client.read(ref, { settle: 'write' }))).toEqual({ kind: 'gone' })
    expect(await mesh.settle(agent.claim(sealed))).toMatchObject({
      kind: 'rejected',
      reason: 'gone'
    })
    expect(await mesh.settle(mesh.peer(0).record(sealed))).toMatchObject({ reason: 'gone' })
  })

  test('is not begun again by another gateway, nor after a restart of all witnesses', async () => {
    const mesh = await open({ roles: TWO_GATEWAYS })
    const sealed = await droppedRun(mesh)
    for (const peer of mesh.peers) await mesh.settle(peer.restart())
    const other = mesh.announce({ by: mesh.peer(2) })
    expect(other.announcement.runId).toBe(sealed.announcement.runId)
    expect(other.annHash).not.toBe(sealed.annHash)

    expect(await mesh.settle(mesh.peer(2).record(other))).toMatchObject({ reason: 'gone' })
    expect(await registersIn(mesh, 1)).not.toContain(sealed.announcement.runId)
  })

  test('is not revived at a witness that never had it by an accept that comes late', async () => {
    const mesh = await open({ roles: TWO_GATEWAYS })
    const lagging = mesh.peer(2)
    mesh.network.isolate(lagging.peerId)
    const sealed = await endedRun(mesh)
    mesh.network.heal()
    mesh.clock.jumpWall(RETENTION_MS + DAY_MS)
    await raiseFloor(mesh)
    await mesh.settle(mesh.peer(0).service.sweepEnded())
    const ref = refOf(sealed, jobIdOf(sealed.announcement.runId, 0))

    // The others still have it and push what is chosen; the floor alone keeps it out here.
    await mesh.settle(mesh.peer(1).client.read(ref, { settle: 'never' }))
    await mesh.clock.advance(5_000)

    expect(await registersIn(mesh, 2)).not.toContain(jobIdOf(sealed.announcement.runId, 0))
  })
})

describe('whether a run is closed', () => {
  const endingOf = (peer: MemoryMesh['peers'][number]) => {
    const ledger = { find: async () => ({ kind: 'unknown' }) as const }
    return new RunEnding({ board: new Board(), client: peer.client, ledger })
  }

  test('is known by a quorum that has dropped it, and by nobody for one that nobody knows', async () => {
    const mesh = await open({ roles: TWO_GATEWAYS })
    const sealed = await droppedRun(mesh)
    const ending = endingOf(mesh.peer(1))
    const { runId, witnessEpoch } = sealed.announcement

    expect(ending.shown(runId)).toBeUndefined()
    expect(await mesh.settle(ending.isClosed({ runId, witnessEpoch }))).toBe(true)
    const unknown = mesh.announce({ commit: 'dead' }).announcement
    expect(await mesh.settle(ending.isClosed(unknown))).toBe(false)
  })
})

test('a witness whose disk is nearly full begins nothing, and goes on with what it holds', async () => {
  const mesh = await open({ roles: TWO_GATEWAYS })
  const sealed = mesh.announce()
  await mesh.settle(mesh.peer(0).record(sealed))
  await mesh.settle(mesh.peer(1).create(sealed))
  for (const peer of mesh.peers) peer.isDiskLow = true

  // At once: a disk gets no room while a change tries its rounds.
  const other = await mesh.settle(mesh.peer(0).record(mesh.announce({ commit: 'beef' })), 1_000)
  expect(other.kind).toBe('unresolved')
  expect(other.refused.map(({ code }) => code)).toContain('disk_low')
  expect(await mesh.settle(mesh.peer(1).claim(sealed, CLAIM))).toMatchObject({ kind: 'applied' })
})
