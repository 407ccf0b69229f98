import { appendFile, chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../../../protocol/core/errors.ts'
import { openDatabase } from '../../../protocol/store/database.ts'
import { recordKey } from '../../../protocol/store/keys.ts'
import { JSON_CODEC } from '../../support/json-codec.ts'
import { storeIn, temporaryFolder } from '../../support/store-folder.ts'
import { acceptOf, jobValue, promiseOf } from '../../support/store-records.ts'

const REGISTERS = 40
const keyOf = (index: number) => ({ register: `RUN.${index}`, witnessEpoch: 1 })

/** A store with REGISTERS records; `tables` has LevelDB move them from its journal to a table. */
async function filledFolder(tables: boolean): Promise<string> {
  const dir = await temporaryFolder()
  const store = await storeIn(dir)
  const saves = Array.from({ length: REGISTERS }, (_, index) =>
    store.witness.save({
      key: keyOf(index),
      record: acceptOf(index + 1, jobValue(`RUN.${index}`, index + 1)),
      announcement: undefined
    })
  )
  await Promise.all(saves)
  await store.close()
  if (tables) await (await storeIn(dir)).close()
  return dir
}

async function rounds(dir: string): Promise<(number | undefined)[]> {
  const store = await storeIn(dir, { create: false })
  const found: (number | undefined)[] = []
  for (let index = 0; index < REGISTERS; index += 1) {
    found.push((await store.witness.load(keyOf(index)))?.promised.round)
  }
  await store.close()
  return found
}

const ALL_ROUNDS = Array.from({ length: REGISTERS }, (_, index) => index + 1)

describe('a store that stopped as it should', () => {
  test('is opened again under its id, with its sequence and what it holds', async () => {
    const dir = await temporaryFolder()
    const first = await storeIn(dir)
    expect(first.lastStop).toBe('new')
    const wseq = await first.witness.save({
      key: keyOf(0),
      record: promiseOf(7),
      announcement: undefined
    })
    await first.close()

    const second = await storeIn(dir, { create: false })
    expect(second.storeId).toBe(first.storeId)
    expect(second.lastStop).toBe('clean')
    expect(await second.witness.load(keyOf(0))).toEqual(promiseOf(7))
    expect(await second.witness.barrier()).toBeGreaterThanOrEqual(wseq)
  })

  test('says so only once: the mark of a clean stop is gone while it is open', async () => {
    const dir = await filledFolder(false)
    const store = await storeIn(dir)
    const copy = `${await temporaryFolder()}/copy`
    await cp(dir, copy, { recursive: true })
    await store.close()

    expect((await storeIn(copy)).lastStop).toBe('unclean')
    expect((await storeIn(dir)).lastStop).toBe('clean')
  })

  test('two stores have two ids', async () => {
    const [one, two] = [await temporaryFolder(), await temporaryFolder()]
    expect((await storeIn(one)).storeId).not.toBe((await storeIn(two)).storeId)
  })
})

describe('a folder that cannot be opened', () => {
  test('is locked while another has it', async () => {
    const dir = await temporaryFolder()
    const store = await storeIn(dir)

    await expect(storeIn(dir)).rejects.toMatchObject({
      code: 'STATE_LOCKED',
      facts: { state: dir, pid: 'unknown' }
    })
    await store.close()
    expect((await storeIn(dir)).storeId).toBe(store.storeId)
  })

  test('is absent where none was made and none may be made', async () => {
    const dir = `${await temporaryFolder()}/store`

    await expect(storeIn(dir, { create: false })).rejects.toMatchObject({ code: 'STATE_ABSENT' })
    await mkdir(dir)
    await expect(storeIn(dir, { create: false })).rejects.toMatchObject({ code: 'STATE_ABSENT' })
    expect(await readdir(dir)).toEqual([])
  })

  test('is unwritable below a file', async () => {
    const dir = await temporaryFolder()
    await writeFile(join(dir, 'file'), '')

    await expect(storeIn(join(dir, 'file', 'store'))).rejects.toMatchObject({
      code: 'STATE_UNWRITABLE'
    })
    await expect(storeIn(join(dir, 'file'))).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
  })

  test('is unwritable for another user', async () => {
    const parent = await temporaryFolder()
    const dir = join(parent, 'store')
    await (await storeIn(dir)).close()
    await chmod(dir, 0o555)
    await chmod(parent, 0o555)

    await asNobody(async () => {
      for (const folder of [dir, join(parent, 'other')]) {
        await expect(storeIn(folder)).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
      }
    })
    await chmod(parent, 0o755)
    await chmod(dir, 0o755)
  })

  test('is suspect when it was made for another peer, and not marked for that', async () => {
    const dir = await filledFolder(false)

    await expect(storeIn(dir, { peerId: 'peer-b' })).rejects.toMatchObject({
      code: 'STORE_SUSPECT'
    })
    expect(await rounds(dir)).toEqual(ALL_ROUNDS)
  })
})

describe('a store that may have lost something is suspect', () => {
  test('when LevelDB noted that it dropped bytes, then and ever after, files as they are', async () => {
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
  ])('when any byte of %s is flipped, or nothing is missing', async (_, tables) => {
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
      { numRuns: 60 }
    )
    expect(refused).toBeGreaterThan(20)
  })

  test.each(['.log', 'CURRENT', 'MANIFEST'])('when its %s is gone', async (name) => {
    const dir = await filledFolder(false)
    for (const file of await readdir(dir)) {
      if (file.includes(name)) await rm(join(dir, file))
    }

    await expect(storeIn(dir, { create: false })).rejects.toSatisfy((error) =>
      ['STORE_SUSPECT', 'STATE_ABSENT'].includes(codeOf(error) ?? '')
    )
  })

  test('when a record is missing, old, damaged or not in the index', async () => {
    const dir = await filledFolder(false)
    const row = recordKey(keyOf(3))
    const changes = [
      async (level: Awaited<ReturnType<typeof openDatabase>>) =>
        level.batch([{ type: 'del', key: row }], { sync: true }),
      async (level: Awaited<ReturnType<typeof openDatabase>>) => {
        const value = (await level.get(recordKey(keyOf(4)))) ?? new Uint8Array(0)
        await level.batch([{ type: 'put', key: row, value }], { sync: true })
      },
      async (level: Awaited<ReturnType<typeof openDatabase>>) => {
        const value = Buffer.from((await level.get(row)) ?? [])
        value[30] = (value[30] ?? 0) ^ 1
        await level.batch([{ type: 'put', key: row, value }], { sync: true })
      },
      async (level: Awaited<ReturnType<typeof openDatabase>>) => {
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
  })

  test('when an older version of a record has come back', async () => {
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

  test('when a record has a form that is none', async () => {
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

  test('when a peer has seen a higher sequence: at once and ever after', async () => {
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
})

/** Flips one bit of the files `names`, taken as one row of bytes. */
async function flipBit(
  dir: string,
  names: readonly string[],
  place: number,
  bit: number
): Promise<void> {
  let at = place
  for (const name of names) {
    const bytes = await readFile(join(dir, name))
    if (at < bytes.length) {
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
      await writeFile(join(dir, name), bytes)
      return
    }
    at -= bytes.length
  }
}

/** Root may write everywhere; the others need no change. */
async function asNobody(task: () => Promise<void>): Promise<void> {
  const isRoot = process.getuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    await task()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}
