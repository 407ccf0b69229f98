import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { AttemptRow } from '../../../gateway/provision/provision-book.ts'
import { makeSecretsKey } from '../../../gateway/secrets/secret-key.ts'
import {
  PROVISION_GIVEN_MAX,
  PROVISION_MASKED_MS
} from '../../../protocol/core/provision-limits.ts'
import { runIdOf } from '../../../protocol/core/run.ts'
import type { NumberedRow } from '../../../protocol/store/row-table.ts'
import type { IntakeRig } from '../../support/intake-rig.ts'
import { keyFileOf, SlotGateway, slotRig } from '../../support/provision-rig.ts'
import { SlotLog } from '../../support/slot-log.ts'
import { heldSlot, looking, queue, type Rig } from '../../support/slot-steps.ts'

// Real stores that are closed and opened again: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

type Kind = 'github' | 'gitea' | 'forgejo'

/** A slot whose holder has its runner's configuration, and what that is. */
async function givenSlot(kind: Kind = 'github') {
  const rig = await slotRig(kind)
  const slot = await heldSlot(rig, queue(rig))
  const given = (await rig.gateway.configure(rig.world, slot)) ?? []
  const values = given.map(([, value]) => value)
  expect(values.length).toBeGreaterThan(0)
  return { rig, slot, given, values }
}

/** The process of before is gone, and another one has opened its store. */
async function restarted(
  { gateway, world, rig }: Pick<Rig, 'gateway' | 'world' | 'rig'>,
  meanwhile: (store: IntakeRig) => Promise<void> = async () => undefined,
  kind: Kind = 'github'
): Promise<SlotGateway> {
  await gateway.stop()
  const { store } = gateway
  await store.restart()
  await meanwhile(store)
  return await SlotGateway.start(world, rig, kind, {}, store)
}

async function attempts({ store }: IntakeRig): Promise<readonly NumberedRow<AttemptRow>[]> {
  const found: NumberedRow<AttemptRow>[] = []
  for await (const numbered of store.provisions.load<AttemptRow>()) {
    if (numbered.row.kind === 'attempt') found.push(numbered)
  }
  return found
}

/** As somebody leaves it who can write to the store, and has no key. */
async function changed(
  rig: IntakeRig,
  change: (sealed: string, row: AttemptRow) => string | undefined
): Promise<void> {
  const rows = await attempts(rig)
  await rig.store.provisions.write(
    rows.map(({ number, row }) => {
      const { sealed = '', ...rest } = row
      const now = change(sealed, row)
      return { number, row: now === undefined ? rest : { ...rest, sealed: now } }
    })
  )
}

/** As intake writes it once a run has ended. */
async function endKnown({ store: { inbox } }: IntakeRig, slot: string): Promise<void> {
  const delivery = await inbox.byRun(runIdOf(slot))
  await inbox.update(delivery?.key ?? '', { openEpoch: 0 })
}

async function bytesOf(dir: string): Promise<Buffer> {
  const found: Buffer[] = []
  for (const entry of await readdir(dir, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) found.push(await readFile(join(entry.parentPath, entry.name)))
  }
  return Buffer.concat(found)
}

test.each(['github', 'gitea', 'forgejo'] as const)(
  'a gateway that was restarted masks what a slot of %s was given before, in whichever chunk it comes',
  async (kind) => {
    const { rig, slot, values } = await givenSlot(kind)
    const before = new SlotLog(rig.world, rig.gateway)
    await before.push(slot, 1, values)
    const gateway = await restarted(rig, undefined, kind)
    const log = new SlotLog(rig.world, gateway)

    const [value = ''] = values
    const shown = [`a ${value} b`, `${value}${value}`, Buffer.from(value).toString('base64')]
    await log.push(slot, values.length + 1, shown.slice(0, 1))
    await log.push(slot, values.length + 2, shown.slice(1))

    const kept = await log.kept(slot)
    expect(kept).toHaveLength(values.length + shown.length)
    expect(kept.slice(values.length, -1)).toEqual(['a *** b', '***'])
    for (const each of values) expect(kept.join('\n')).not.toContain(each)
    expect(log.said).toEqual([])
  }
)

test('what a slot was given lies in the store sealed, and nowhere in the state folder bare', async () => {
  const { rig, slot, values } = await givenSlot('forgejo')
  const { store } = rig.gateway
  await rig.gateway.stop()

  const [row] = await attempts(store)
  const bytes = await bytesOf(store.dir)
  // It is these files that the row was written to.
  expect(bytes.includes(slot)).toBe(true)
  expect(bytes.includes(row?.row.sealed?.slice(0, 64) ?? 'nothing')).toBe(true)
  for (const value of values) {
    expect(bytes.includes(value)).toBe(false)
    expect(bytes.includes(Buffer.from(value).toString('base64').slice(0, -4))).toBe(false)
    expect(JSON.stringify(row)).not.toContain(value)
  }
})

test.each([
  ['was changed', (sealed: string) => `${sealed.slice(0, -8)}AAAA${sealed.slice(-4)}`],
  ['was cut off', (sealed: string) => sealed.slice(0, 8)],
  ['was taken away', () => undefined]
] as const)(
  'no line of a slot is kept where what it was given %s, which is said, and the gateway serves others',
  async (_, change) => {
    const { rig, slot, values } = await givenSlot()
    const [runner] = rig.actions.runners
    const gateway = await restarted(rig, (store) => changed(store, change))
    const log = new SlotLog(rig.world, gateway)

    expect(await log.push(slot, 1, values)).toMatchObject({ kind: 'refused', code: 'unknown_job' })
    expect(await log.kept(slot)).toEqual([])
    expect(log.said).toEqual([expect.objectContaining({ code: 'SLOT_UNREADABLE', job: slot })])
    expect(JSON.stringify(log.said)).not.toContain(values[0])
    expect(await gateway.configure(rig.world, slot, true)).toBeUndefined()
    expect(rig.actions.runners).toEqual([runner])

    const anew = { ...rig, gateway }
    const other = queue(rig)
    await gateway.room.provisioner.note(gateway.repository, String(other.id))
    await looking(anew, 'its slot', () => rig.world.live().length === 2)
    const next = rig.world.live().find((job) => rig.world.jobOf(job) === String(other.id))
    rig.world.claim(next?.jobId ?? '')
    const given = (await gateway.configure(rig.world, next?.jobId ?? '')) ?? []
    await log.push(next?.jobId ?? '', 1, [`a ${given[0]?.[1]}`])
    expect(await log.kept(next?.jobId ?? '')).toEqual(['a ***'])
  }
)

test("what one slot was given does not open as another's, nor as that of another attempt", async () => {
  const { rig, slot, values } = await givenSlot()
  const other = queue(rig)
  await gatewayTold(rig, other.id)
  await looking(rig, 'its slot', () => rig.world.live().length === 2)
  const second = rig.world.live().find(({ jobId }) => jobId !== slot)?.jobId ?? ''
  rig.world.claim(second)
  await rig.gateway.configure(rig.world, second)

  const sealed = new Map<string, string>()
  const gateway = await restarted(rig, async (store) => {
    for (const { row } of await attempts(store)) sealed.set(row.slot, row.sealed ?? '')
    await changed(store, (_, { slot: each }) => sealed.get(each === slot ? second : slot))
  })
  const log = new SlotLog(rig.world, gateway)

  expect(sealed.size).toBe(2)
  for (const each of [slot, second]) {
    expect(await log.push(each, 1, values)).toMatchObject({ kind: 'refused' })
  }
  expect(log.said.map(({ code }) => code)).toEqual(['SLOT_UNREADABLE', 'SLOT_UNREADABLE'])
})

test('without its key no line of a slot is kept, and with it again all are', async () => {
  const { rig, slot, values } = await givenSlot()
  const gateway = await restarted(rig)
  const log = new SlotLog(rig.world, gateway)
  const file = keyFileOf(gateway.store)

  await rename(file, `${file}.away`)
  expect(await log.push(slot, 1, values)).toMatchObject({ kind: 'refused', code: 'unknown_job' })
  ;(await makeSecretsKey(file)).fill(0)
  expect(await log.push(slot, 1, values)).toMatchObject({ kind: 'refused', code: 'unknown_job' })
  await rename(`${file}.away`, file)
  await log.push(slot, 1, values)

  expect(log.said.map(({ code }) => code)).toEqual(['STATE_ABSENT'])
  expect(await log.kept(slot)).toEqual(values.map(() => '***'))
})

test('nothing is registered, and nothing given, that could not be sealed', async () => {
  const rig = await slotRig('github')
  const slot = await heldSlot(rig, queue(rig))
  await rm(keyFileOf(rig.gateway.store))

  expect(await rig.gateway.configure(rig.world, slot)).toBeUndefined()
  expect(rig.actions.registered).toEqual([])
  // Nothing was given: whatever its agent says of that may be kept.
  const log = new SlotLog(rig.world, rig.gateway)
  await log.push(slot, 1, ['no runner'])
  expect(await log.kept(slot)).toEqual(['no runner'])
})

test('it is written before it is given: a store that fails gives nothing, and the next process another', async () => {
  const rig = await slotRig('github')
  const slot = await heldSlot(rig, queue(rig))
  const { provisions } = rig.gateway.store.store
  const write = provisions.write.bind(provisions)
  const failing = vi.spyOn(provisions, 'write').mockImplementation(async (rows, removed) => {
    if (JSON.stringify(rows).includes('sealed')) throw new Error('no space left on device')
    await write(rows, removed)
  })

  await expect(rig.gateway.configure(rig.world, slot)).rejects.toThrow('no space left')
  failing.mockRestore()
  expect(rig.actions.registered).toHaveLength(1)

  const gateway = await restarted(rig)
  const given = (await gateway.configure(rig.world, slot)) ?? []
  const log = new SlotLog(rig.world, gateway)
  const values = given.map(([, value]) => value)
  await log.push(slot, 1, values)

  expect(await log.kept(slot)).toEqual(['***'])
  expect(rig.actions.runners).toEqual(rig.actions.registered.slice(1))
})

test('an attempt that ends takes what it was given along, from memory and disk, after its last lines', async () => {
  const { rig, slot, values } = await givenSlot()
  const { world, gateway } = rig
  const { store } = gateway
  world.end(slot, 'succeeded')
  const log = new SlotLog(world, gateway)
  await log.push(slot, 1, values)
  expect(await log.kept(slot)).toEqual(values.map(() => '***'))

  await world.clock.advance(PROVISION_MASKED_MS)
  await looking(rig, 'it is gone', async () => {
    const rows = await attempts(store)
    return rows.every(({ row }) => row.sealed === undefined)
  })

  // What comes later still is not kept bare.
  const late = new SlotLog(world, gateway)
  expect(await late.push(slot, 2, values)).toMatchObject({ kind: 'refused' })
  expect(late.said).toEqual([expect.objectContaining({ code: 'SLOT_UNREADABLE' })])
})

test('a slot that runs on keeps what it was given though a restarted gateway hears nothing of it for long', async () => {
  const { rig, slot, values } = await givenSlot()
  const { world } = rig
  const [runner] = rig.actions.runners
  if (runner !== undefined) rig.actions.give(runner)
  await looking(rig, 'its job is seen', async () => {
    return (await attempts(rig.gateway.store)).some(({ row }) => row.tookJob)
  })
  await world.clock.advance(2 * PROVISION_MASKED_MS)
  world.emptyBoard()
  const gateway = await restarted(rig)
  const asked = rig.rig.forge.seen.length
  const sinceMs = world.clock.bootMs()
  await looking(rig, 'it has looked for long', () => {
    const isLong = world.clock.bootMs() > sinceMs + 2 * PROVISION_MASKED_MS
    return isLong && rig.rig.forge.seen.length > asked + 8
  })
  world.hearAgain()

  const log = new SlotLog(world, gateway)
  await log.push(slot, 1, values)
  expect(await log.kept(slot)).toEqual(values.map(() => '***'))
  expect((await gateway.configure(world, slot, true))?.map(([, value]) => value)).toEqual(values)
})

test('an attempt that is refused another runner is masked by what it was given before the restart', async () => {
  const { rig, slot, given, values } = await givenSlot()
  const [runner] = rig.actions.runners
  if (runner !== undefined) rig.actions.give(runner)
  const gateway = await restarted(rig)

  expect(await gateway.configure(rig.world, slot)).toBeUndefined()
  const log = new SlotLog(rig.world, gateway)
  await log.push(slot, 1, values)

  expect(await log.kept(slot)).toEqual(values.map(() => '***'))
  expect(await gateway.configure(rig.world, slot, true)).toEqual(given)
  expect(rig.actions.runners).toEqual([runner])
})

test('the last lines of a slot that ended just before a restart are masked as well', async () => {
  const { rig, slot, values } = await givenSlot()
  const { world } = rig
  const [runner] = rig.actions.runners
  if (runner !== undefined) rig.actions.give(runner)
  await world.clock.advance(2 * PROVISION_MASKED_MS)
  world.end(slot, 'succeeded')
  await endKnown(rig.gateway.store, slot)
  world.emptyBoard()
  const gateway = await restarted(rig)
  const asked = rig.rig.forge.seen.length
  await looking(rig, 'it has looked twice', () => rig.rig.forge.seen.length > asked + 8)
  world.hearAgain()

  const log = new SlotLog(world, gateway)
  await log.push(slot, 1, values)
  expect(await log.kept(slot)).toEqual(values.map(() => '***'))
})

test('what a forge answers late to an attempt of before takes nothing from the one that runs', async () => {
  const rig = await slotRig('github')
  const { world, gateway } = rig
  const { after } = rig.rig.forge
  const slot = await heldSlot(rig, queue(rig))
  let asked = 0
  after.close((said) => said.includes('generate-jitconfig') && asked++ === 0)
  const late = gateway.configure(world, slot)
  await after.reached()
  world.claim(slot)
  const given = (await gateway.configure(world, slot)) ?? []
  after.open()

  expect(await late).toBeUndefined()
  expect(rig.actions.runners).toEqual([rig.actions.registered[1]])
  const again = await restarted(rig)
  const log = new SlotLog(world, again)
  const values = given.map(([, value]) => value)
  await log.push(slot, 1, values)
  expect(await log.kept(slot)).toEqual(['***'])
  expect(await again.configure(world, slot, true)).toEqual(given)
})

test('what an ended slot was given goes though its forge answers nothing', async () => {
  const { rig, slot } = await givenSlot()
  rig.rig.forge.fault({ kind: { status: 401 } })
  rig.world.end(slot, 'succeeded')
  await rig.world.clock.advance(2 * PROVISION_MASKED_MS)

  await looking(rig, 'it is gone', async () => {
    return (await attempts(rig.gateway.store)).every(({ row }) => row.sealed === undefined)
  })
})

test('a restarted gateway drops what slots were given that it knows as ended, also of repositories without provision', async () => {
  const { rig, slot } = await givenSlot()
  const { world, gateway } = rig
  world.end(slot, 'succeeded')
  await endKnown(gateway.store, slot)
  await gateway.stop()
  const { store } = gateway
  await store.restart()
  const isSealed = async (): Promise<boolean> =>
    (await attempts(store)).some(({ row }) => row.sealed !== undefined)
  expect(await isSealed()).toBe(true)

  const none = { isWithoutProvision: true }
  await SlotGateway.start(world, rig.rig, 'github', none, store)

  expect(await isSealed()).toBe(false)
})

test('no more is kept than a limit says: the next one waits for room, which slots that nobody knows make', async () => {
  const rig = await slotRig('github')
  const slot = await heldSlot(rig, queue(rig))
  const { world } = rig
  const sinceMs = world.clock.wallMs()
  const row = { kind: 'attempt', repository: 'team/kernel', epoch: 1, sinceMs } as const
  const rows = Array.from({ length: PROVISION_GIVEN_MAX }, (_, index) => {
    const known = { ...row, slot: `run${index}.0`, sealed: 'AAAA' }
    return { number: 1_000_000 + index, row: { ...known, isRegistered: true, tookJob: false } }
  })
  const gateway = await restarted(rig, (store) => store.store.provisions.write(rows))

  await expect(gateway.configure(world, slot)).rejects.toMatchObject({ code: 'OVERLOADED' })
  expect(rig.actions.registered).toEqual([])

  await world.clock.advance(PROVISION_MASKED_MS)
  await looking(rig, 'they are gone', async () => (await attempts(gateway.store)).length === 0)
  expect(await gateway.configure(world, slot)).toHaveLength(1)
})

test('nothing is given, and no line kept, before the book of slots is read', async () => {
  const { rig, slot, values } = await givenSlot()
  await rig.gateway.stop()
  const { store } = rig.gateway
  const unread = await SlotGateway.start(rig.world, rig.rig, 'github', { isUnread: true }, store)
  const log = new SlotLog(rig.world, unread)

  expect(await log.push(slot, 1, values)).toMatchObject({ kind: 'refused', code: 'unknown_job' })
  await expect(unread.configure(rig.world, slot)).rejects.toMatchObject({ code: 'BUG' })
  expect(rig.actions.registered).toHaveLength(1)
})

async function gatewayTold({ gateway }: Pick<Rig, 'gateway'>, job: number): Promise<void> {
  await gateway.room.provisioner.note(gateway.repository, String(job))
}
