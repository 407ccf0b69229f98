import { appendFile, cp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { codeOf } from '../../../protocol/core/errors.ts'
import { type Database, openDatabase } from '../../../protocol/store/database.ts'
import { recordKey } from '../../../protocol/store/keys.ts'
import { JSON_CODEC } from '../../support/json-codec.ts'
import { ALL_ROUNDS, filledFolder, flipBit, keyOf, rounds } from '../../support/store-damage.ts'
import { storeIn, storeOver, temporaryFolder } from '../../support/store-folder.ts'
import { promiseOf } from '../../support/store-records.ts'

test('a store is suspect when LevelDB noted that it dropped bytes, then and ever after, files as they are', async () => {
  const dir = await filledFolder(false)
  await appendFile(join(dir, 'LOG'), '000003.log: dropping 1234 bytes; checksum mismatch\n')
  const before = await readdir(dir)

  for (let tries = 0; tries < 3; tries += 1) {
    await expect(storeIn(dir)).rejects.toMatchObject({
      code: 'STORE_SUSPECT',
      facts: { cause: '000003.log: dropping 1234 bytes; checksum mismatch' }
    })
  }
  expect(await readdir(dir)).toEqual(before)
})

test.each([
  ['the journal', false],
  ['a table', true]
])(
  'a store is suspect when any byte of %s is flipped, or nothing is missing',
  async (_, tables) => {
    const dir = await filledFolder(tables)
    const pattern = tables ? /\.ldb$|^MANIFEST/ : /\.log$|^MANIFEST/
    const names = (await readdir(dir)).filter((name) => pattern.test(name))
    const sizes = await Promise.all(
      names.map(async (name) => (await readFile(join(dir, name))).length)
    )
    const copy = `${await temporaryFolder()}/copy`
    let refused = 0

    const flip = fc.integer({ min: 0, max: sizes.reduce((sum, size) => sum + size, 0) - 1 })
    await fc.assert(
      fc.asyncProperty(flip, fc.nat(7), async (place, bit) => {
        await rm(copy, { recursive: true, force: true })
        await cp(dir, copy, { recursive: true })
        await flipBit(copy, names, place, bit)
        try {
          expect(await rounds(copy)).toEqual(ALL_ROUNDS)
        } catch (error) {
          expect(codeOf(error)).toBe('STORE_SUSPECT')
          refused += 1
        }
      }),
      { numRuns: 40 }
    )
    expect(refused).toBeGreaterThan(15)
  }
)

test.each(['.log', 'CURRENT', 'MANIFEST'])(
  'a store is suspect when its %s is gone',
  async (name) => {
    const dir = await filledFolder(false)
    for (const file of await readdir(dir)) {
      if (file.includes(name)) await rm(join(dir, file))
    }

    await expect(storeIn(dir, { create: false })).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  }
)

test('a store is suspect when a record is missing, old, damaged or not in the index', async () => {
  const dir = await filledFolder(false)
  const row = recordKey(keyOf(3))
  const changes = [
    async (level: Database) => level.batch([{ type: 'del', key: row }], { sync: true }),
    async (level: Database) => {
      const value = (await level.get(recordKey(keyOf(4)))) ?? new Uint8Array(0)
      await level.batch([{ type: 'put', key: row, value }], { sync: true })
    },
    async (level: Database) => {
      const value = Buffer.from((await level.get(row)) ?? [])
      value[30] = (value[30] ?? 0) ^ 1
      await level.batch([{ type: 'put', key: row, value }], { sync: true })
    },
    async (level: Database) => {
      const index = level.iterator({ gt: 'i/', lt: 'i0' })
      for await (const [key] of index) {
        await level.batch([{ type: 'del', key }], { sync: true })
        return
      }
    }
  ]
  for (const change of changes) {
    const copy = `${await temporaryFolder()}/copy`
    await cp(dir, copy, { recursive: true })
    const level = await openDatabase(copy, false)
    await change(level)
    await level.close()

    await expect(storeIn(copy)).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
    await expect(storeIn(copy)).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  }
}, 20_000)

test('a store is suspect when an older version of a record has come back', async () => {
  const dir = await temporaryFolder()
  const store = await storeIn(dir)
  const save = (round: number) =>
    store.witness.save({ key: keyOf(0), record: promiseOf(round), announcement: undefined })
  await save(1)
  await store.close()
  const level = await openDatabase(dir, false)
  const old = (await level.get(recordKey(keyOf(0)))) ?? new Uint8Array(0)
  await level.close()
  const again = await storeIn(dir)
  await again.witness.save({ key: keyOf(0), record: promiseOf(2), announcement: undefined })
  await again.close()
  const damaged = await openDatabase(dir, false)
  await damaged.batch([{ type: 'put', key: recordKey(keyOf(0)), value: old }], { sync: true })
  await damaged.close()

  await expect(storeIn(dir)).rejects.toMatchObject({
    code: 'STORE_SUSPECT',
    facts: { cause: 'a record is older than the last write' }
  })
})

test('a store is suspect when a record has a form that is none', async () => {
  const dir = await filledFolder(false)
  const codec = {
    ...JSON_CODEC,
    decodeRecord: () => {
      throw new Error('field 3 is missing')
    }
  }

  await expect(storeIn(dir, { codec })).rejects.toMatchObject({
    code: 'STORE_SUSPECT',
    facts: { cause: 'field 3 is missing' }
  })
})

test('a store is suspect when a peer has seen a higher sequence: at once and ever after', async () => {
  const dir = await filledFolder(false)
  const store = await storeIn(dir)
  await store.distrust('peer-b saw sequence 99')

  await expect(store.witness.load(keyOf(0))).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  await expect(store.witness.barrier()).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  expect(store.failures).toMatchObject([{ code: 'STORE_SUSPECT' }])
  await store.close()
  await expect(storeIn(dir)).rejects.toMatchObject({
    code: 'STORE_SUSPECT',
    facts: { cause: 'peer-b saw sequence 99' }
  })
})

test('a record that is damaged or older than what was written ends a running store', async () => {
  const dir = await temporaryFolder()
  const store = await storeIn(dir)
  const save = (round: number): Promise<number> =>
    store.witness.save({ key: keyOf(0), record: promiseOf(round), announcement: undefined })
  await save(1)
  await store.close()

  for (const damage of ['damaged', 'old'] as const) {
    const copy = `${await temporaryFolder()}/copy`
    await cp(dir, copy, { recursive: true })
    const database = await openDatabase(copy, false)
    const { witness, failures } = await storeOver(database, copy)
    const row = recordKey(keyOf(0))
    const first = Buffer.from((await database.get(row)) ?? [])
    if (damage === 'damaged') first[20] = (first[20] ?? 0) ^ 1
    else await witness.save({ key: keyOf(0), record: promiseOf(2), announcement: undefined })
    await database.batch([{ type: 'put', key: row, value: first }], { sync: true })

    await expect(witness.load(keyOf(0))).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
    await expect(witness.barrier()).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
    await vi.waitFor(() => expect(failures).toMatchObject([{ code: 'STORE_SUSPECT' }]))
    await database.close()
    await expect(storeIn(copy)).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  }
})
