import { chmod, cp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ALL_ROUNDS, filledFolder, rounds } from '../../support/store-damage.ts'
import { storeIn, temporaryFolder } from '../../support/store-folder.ts'
import { promiseOf } from '../../support/store-records.ts'

const KEY = { register: 'RUN.0', witnessEpoch: 1 }

describe('a store that stopped as it should', () => {
  test('is opened again under its id, with its sequence and what it holds', async () => {
    const dir = await temporaryFolder()
    const first = await storeIn(dir)
    expect(first.lastStop).toBe('new')
    const wseq = await first.witness.save({
      key: KEY,
      record: promiseOf(7),
      announcement: undefined
    })
    await first.close()

    const second = await storeIn(dir, { create: false })
    expect(second.storeId).toBe(first.storeId)
    expect(second.lastStop).toBe('clean')
    expect(await second.witness.load(KEY)).toEqual(promiseOf(7))
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
