import { describe, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../../protocol/store/database.ts'
import { OpenAnnouncements } from '../../../protocol/store/open-announcements.ts'
import { storeIn, storeOver, temporaryFolder } from '../../support/store-folder.ts'
import { acceptOf, hashOf, jobValue, promiseOf, runValue } from '../../support/store-records.ts'

const RUN = { register: 'RUN', witnessEpoch: 1 }
const JOB = { register: 'RUN.0', witnessEpoch: 1 }
const KEYS = [RUN, JOB]
const drop = { keys: KEYS, annHashes: [hashOf('RUN')], wallMs: 1_000 }

async function filled(dir: string): Promise<void> {
  const store = await storeIn(dir)
  const announcement = { annHash: hashOf('RUN'), bytes: Uint8Array.from([1]) }
  await store.witness.save({ key: RUN, record: acceptOf(1, runValue('RUN')), announcement })
  const record = acceptOf(1, jobValue('RUN.0', 1, 'failed'))
  await store.witness.save({ key: JOB, record, announcement: undefined })
  await store.close()
}

/** A process that dies before its `count`-th batch is on the disk, or right behind it. */
function dyingAt(level: Database, count: number, isWritten: boolean): Database {
  let batches = 0
  return {
    ...level,
    batch: async (operations, options) => {
      batches += 1
      if (batches > count) throw new Error('it is dead')
      if (batches < count || isWritten) await level.batch(operations, options)
      if (batches === count) throw new Error('it dies here')
    }
  }
}

describe('a process that dies while it drops a run', () => {
  test.each([
    ['before the batch', false, [false, true]],
    ['behind the batch', true, [true, false]]
  ])(
    '%s has both the records or both the tombstones, never neither',
    async (_name, isWritten, [dropped, held]) => {
      const dir = await temporaryFolder()
      await filled(dir)
      const level = await openDatabase(dir, false)
      // The first batch takes the mark of the clean stop away.
      const dying = await storeOver(dyingAt(level, 2, isWritten), dir)
      await expect(dying.witness.drop(drop)).rejects.toMatchObject({ code: 'STORE_FAILED' })
      await level.close()

      // Opened with the whole check: records, tombstones, index and counters fit each other.
      const store = await storeIn(dir, { create: false })
      for (const key of KEYS) {
        expect(await store.witness.isDropped(key)).toBe(dropped)
        expect((await store.witness.load(key)) !== undefined).toBe(held)
      }
      expect((await store.witness.announcement(hashOf('RUN'))) !== undefined).toBe(held)
      expect((await store.witness.changes(0, 10, false)).items).toHaveLength(held ? 2 : 0)
    }
  )
})

test('floors and tombstones are there after a restart, and go on being counted', async () => {
  const dir = await temporaryFolder()
  await filled(dir)
  const first = await storeIn(dir)
  await first.witness.raiseFloor('gateway-a', 4)
  await first.witness.drop(drop)
  await first.close()

  const second = await storeIn(dir)
  expect(await second.witness.floors()).toEqual(new Map([['gateway-a', 4]]))
  expect(await second.witness.isDropped(JOB)).toBe(true)
  await second.witness.raiseFloor('gateway-a', 2)
  expect(await second.witness.floors()).toEqual(new Map([['gateway-a', 4]]))
  await second.witness.forget(() => true, '', 10)
  await second.witness.save({ key: JOB, record: promiseOf(1), announcement: undefined })
  await second.close()

  expect(await (await storeIn(dir)).witness.isDropped(RUN)).toBe(false)
})

test('a tombstone that is missing makes the store suspect', async () => {
  const dir = await temporaryFolder()
  await filled(dir)
  const first = await storeIn(dir)
  await first.witness.drop(drop)
  await first.close()
  const level = await openDatabase(dir, false)
  await level.batch([{ type: 'del', key: 't/RUN.0@1' }], { sync: true })
  await level.close()

  await expect(storeIn(dir, { create: false })).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
})

describe('the numbers of a gateway', () => {
  const open = (gwSeq: number) => ({ gwSeq, runId: `RUN${gwSeq}`, witnessEpoch: 1, issuedAtMs: 5 })
  const delivery = {
    key: 'team/kernel/1',
    deliveryId: '1',
    repository: 'team/kernel',
    url: 'https://git.example/team/kernel',
    runId: 'RUN1',
    receivedAtMs: 1,
    state: 'received',
    reason: '',
    reopenable: false,
    openEpoch: 0,
    body: '{}',
    sealed: undefined
  } as const

  test('are closed one by one, and the floor is below each that is open', async () => {
    const { inbox } = await storeIn(await temporaryFolder())
    await inbox.put(delivery)
    for (const gwSeq of [1, 2, 3]) {
      expect(await inbox.nextGwSeq()).toBe(gwSeq)
      await inbox.update(delivery.key, { open: open(gwSeq) })
    }

    expect(inbox.floor()).toBe(0)
    expect(await inbox.closeAnnouncements([2])).toBe(0)
    expect(await inbox.closeAnnouncements([1])).toBe(2)
    expect(inbox.openAnnouncements()).toEqual([open(3)])
    expect(await inbox.closeAnnouncements([3])).toBe(3)
  })

  test('that are drawn and not announced hold the floor until their process ends', async () => {
    const dir = await temporaryFolder()
    const first = await storeIn(dir)
    await first.inbox.put(delivery)
    await first.inbox.nextGwSeq()
    await first.inbox.nextGwSeq()
    await first.inbox.update(delivery.key, { open: open(2) })
    await first.inbox.closeAnnouncements([2])
    expect(first.inbox.floor()).toBe(0)
    await first.close()

    // Nothing was ever stored under the first one: nobody can have seen it.
    const second = await storeIn(dir)
    expect(second.inbox.openAnnouncements()).toEqual([])
    expect(await second.inbox.closeAnnouncements([])).toBe(2)
    expect(await second.inbox.nextGwSeq()).toBe(3)
    await second.close()
    expect((await storeIn(dir)).inbox.floor()).toBe(2)
  })

  test('never fall behind a floor, where a draw was refused before a restart', async () => {
    const dir = await temporaryFolder()
    await (await storeIn(dir)).close()
    const numbers = new OpenAnnouncements()
    // Refused by a full queue, its writes go nowhere; a look for ended runs writes the floor then.
    const { gwSeq } = numbers.draw()
    numbers.close([gwSeq])
    const level = await openDatabase(dir, false)
    await level.batch(numbers.close([]), { sync: true })
    await level.close()

    const { inbox } = await storeIn(dir)

    expect(inbox.floor()).toBe(gwSeq)
    expect(await inbox.nextGwSeq()).toBeGreaterThan(inbox.floor())
  })
})
