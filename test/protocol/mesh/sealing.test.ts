import { expect, test } from 'vitest'
import { codeOf } from '../../../protocol/core/errors.ts'
import { REDELIVERY_MS } from '../../../protocol/core/retention-limits.ts'
import type { Role } from '../../../protocol/core/roster.ts'
import { REDELIVERY_MARGIN_MS } from '../../../protocol/core/roster-limits.ts'
import type { RecordWait } from '../../../protocol/mesh/board/run-recorder.ts'
import { MemoryMembers } from '../../support/memory-members.ts'

const GATEWAY: readonly Role[] = ['gateway', 'witness']
const WITNESS: readonly Role[] = ['agent', 'witness']
/** Two gateways that witness, a witness that stays, and one that comes later. */
const BEFORE: readonly (readonly Role[])[] = [GATEWAY, GATEWAY, WITNESS, ['agent']]
const AFTER: readonly (readonly Role[])[] = [GATEWAY, GATEWAY, ['agent'], WITNESS]

async function twoGateways() {
  return await MemoryMembers.open({ roles: BEFORE, lease: 'short' })
}

/** Everybody has the roster of epoch 2. */
async function changed(mesh: MemoryMembers): Promise<void> {
  await mesh.changeRoster(AFTER)
  for (const member of mesh.all) expect(member.roster()?.roster.witnessEpoch).toBe(2)
}

test('a delivery that comes again after a change of the roster finds its run', async () => {
  const mesh = await twoGateways()
  const first = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(first))
  await changed(mesh)

  const again = mesh.announce({ by: 1, witnessEpoch: 2 })
  const chosen = await mesh.settle(mesh.member(1).recordRun(again))

  expect(chosen.annHash).toBe(first.annHash)
  expect(chosen.announcement.witnessEpoch).toBe(1)
  for (const member of mesh.all.slice(0, 2)) {
    expect(member.board.run(first.announcement.runId)?.sealed.annHash).toBe(first.annHash)
  }
})

test('a gateway that slept through a change finds its epoch sealed', async () => {
  const mesh = await twoGateways()
  await changed(mesh)
  const late = mesh.announce({ witnessEpoch: 1 })
  const first = mesh.announce({ by: 1, witnessEpoch: 2 })
  expect(await mesh.settle(mesh.member(1).recordRun(first))).toEqual(first)

  const code = await mesh.settle(mesh.member(0).recordRun(late).catch(codeOf))
  expect(code).toBe('RUN_SUPERSEDED')

  // Announced anew it meets the run of the other one.
  const anew = mesh.announce({ witnessEpoch: 2 })
  expect(await mesh.settle(mesh.member(0).recordRun(anew, { fromEpoch: 1 }))).toEqual(first)
})

test('of gateways with different rosters that record at once one run comes out', async () => {
  for (const pauseMs of [0, 5, 20, 60]) {
    const mesh = await twoGateways()
    await changed(mesh)
    const early = mesh.announce({ witnessEpoch: 1 })
    const later = mesh.announce({ by: 1, witnessEpoch: 2 })
    const one = mesh.member(0).recordRun(early).catch(codeOf)
    await mesh.clock.advance(pauseMs)
    const other = mesh.member(1).recordRun(later)
    const [first, second] = await mesh.settle(Promise.all([one, other]))
    const isEarly = second.annHash === early.annHash

    expect(isEarly ? first : second).toEqual(isEarly ? early : later)
    expect(isEarly ? second : first).toEqual(isEarly ? early : 'RUN_SUPERSEDED')
  }
})

/** Of the witnesses of the first epoch only the second gateway is left. */
async function withoutFirstWitnesses(): Promise<MemoryMembers> {
  const agents: readonly (readonly Role[])[] = [['agent'], ['agent']]
  const mesh = await MemoryMembers.open({ roles: [GATEWAY, GATEWAY, WITNESS, ...agents] })
  await mesh.changeRoster([['gateway'], GATEWAY, ['agent'], WITNESS, WITNESS])
  await mesh.clock.advance(2_000)
  mesh.network.isolate(mesh.key(0).peerId)
  mesh.network.isolate(mesh.key(2).peerId)
  return mesh
}

test('an epoch that nobody can answer for is waited for, not passed over', async () => {
  const mesh = await withoutFirstWitnesses()
  const recorded = mesh.member(1).recordRun(mesh.announce({ by: 1, witnessEpoch: 2 }))
  await mesh.clock.advance(60_000)
  await expect(Promise.race([recorded, Promise.resolve('waiting')])).resolves.toBe('waiting')

  mesh.network.heal()
  expect((await mesh.settle(recorded)).announcement.witnessEpoch).toBe(2)
})

test('which earlier epoch a run waits for is told before anybody answers', async () => {
  const mesh = await withoutFirstWitnesses()
  const told: (RecordWait | undefined)[] = []
  const onWaiting = (wait: RecordWait | undefined) => told.push(wait)
  const sealed = mesh.announce({ by: 1, witnessEpoch: 2 })
  const recorded = mesh.member(1).recordRun(sealed, { onWaiting })
  await mesh.clock.advance(1_000)
  expect(told).toEqual([{ kind: 'epoch', witnessEpoch: 1 }])

  mesh.network.heal()
  await mesh.settle(recorded)
  expect(told.at(-1)).toBeUndefined()
})

test('an epoch that was given up is not waited for, and begins no run', async () => {
  const mesh = await withoutFirstWitnesses()
  const roles = [['gateway'], GATEWAY, ['agent'], WITNESS, WITNESS] as const
  const current = mesh.member(1).roster()?.roster
  const fields = { witnessEpoch: 2, epochSinceMs: current?.epochSinceMs, lostEpochs: [1] }
  await mesh.changeRoster(roles, fields)
  const late = mesh.announce({ by: 1, witnessEpoch: 1 })
  expect(await mesh.settle(mesh.member(1).recordRun(late).catch(codeOf))).toBe('RUN_SUPERSEDED')

  const now = mesh.announce({ by: 1, witnessEpoch: 2 })
  expect(await mesh.settle(mesh.member(1).recordRun(now))).toEqual(now)
})

test('an epoch that ended long ago is not asked any more, and begins no run', async () => {
  const mesh = await withoutFirstWitnesses()
  mesh.clock.jumpWall(REDELIVERY_MS + 1)
  const late = mesh.announce({ by: 1, witnessEpoch: 1 })
  expect(await mesh.settle(mesh.member(1).recordRun(late).catch(codeOf))).toBe('RUN_SUPERSEDED')

  mesh.clock.jumpWall(REDELIVERY_MARGIN_MS)
  const now = mesh.announce({ by: 1, witnessEpoch: 2 })
  expect(await mesh.settle(mesh.member(1).recordRun(now))).toEqual(now)
})

test('a gateway without the roster of an earlier epoch gets it before it records', async () => {
  const mesh = await twoGateways()
  const first = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(first))
  await changed(mesh)
  const newcomer = await mesh.join(['gateway'])
  await mesh.clock.advance(2_000)
  expect(mesh.member(newcomer).roster()?.roster.witnessEpoch).toBe(2)

  const again = mesh.announce({ by: newcomer, witnessEpoch: 2 })
  expect(await mesh.settle(mesh.member(newcomer).recordRun(again))).toEqual(first)
})

test('a run that was dropped in an earlier epoch is gone, and not asked for without end', async () => {
  const mesh = await twoGateways()
  const first = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(first))
  const { runId } = first.announcement
  const keys = [{ register: runId, witnessEpoch: 1 }]
  for (const index of [0, 1, 2]) {
    await mesh.settle(mesh.store(index).drop({ keys, annHashes: [], wallMs: mesh.clock.wallMs() }))
    await mesh.settle(mesh.restart(index))
  }
  await mesh.clock.advance(5_000)
  await changed(mesh)

  const again = mesh.announce({ by: 1, witnessEpoch: 2 })
  const code = await mesh.settle(mesh.member(1).recordRun(again).catch(codeOf))

  expect(code).toBe('RUN_GONE')
})

test('an old store that a later roster has replaced answers for no epoch any more', async () => {
  const mesh = await twoGateways()
  const before = mesh.member(0).roster()?.roster.members ?? []
  const members = before.map((member, index) => {
    const { witness } = member
    if (index !== 2 || witness === undefined) return member
    return { ...member, witness: { ...witness, storeId: 'ee'.repeat(16) } }
  })
  await mesh.changeRoster(BEFORE, { members })
  mesh.network.isolate(mesh.key(1).peerId)

  // Somebody put the old copy back: it may have forgotten what it promised in the first epoch.
  const recorded = mesh.member(0).recordRun(mesh.announce()).catch(codeOf)
  await mesh.clock.advance(20_000)
  await expect(Promise.race([recorded, Promise.resolve('waiting')])).resolves.toBe('waiting')

  mesh.network.heal()
  expect(await mesh.settle(recorded)).toMatchObject({ announcement: { witnessEpoch: 1 } })
})
