import { appendFile, chmod, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MeshError } from '../../../protocol/core/errors.ts'
import { openDatabase } from '../../../protocol/store/database.ts'
import { checkFolder } from '../../../protocol/store/folder-check.ts'
import { type OpeningTools, openChecked } from '../../../protocol/store/opening.ts'
import { JSON_CODEC } from '../../support/json-codec.ts'
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

describe('what is lost while the folder is opened', () => {
  const LOSS = '000003.log: dropping 77 bytes; Corruption: checksum mismatch'

  const losing: OpeningTools['open'] = async (folder, create) => {
    const database = await openDatabase(folder, create)
    await appendFile(join(folder, 'LOG'), `${LOSS}\n`)
    return database
  }

  test('makes the store suspect, though every row that is left is sound', async () => {
    const dir = await filledFolder(false)

    const opened = openedWith(dir, { open: losing })

    await expect(opened).rejects.toMatchObject({ code: 'STORE_SUSPECT', facts: { cause: LOSS } })
  })

  test('is found where another process tried to open the folder meanwhile', async () => {
    const dir = await filledFolder(false)
    const open: OpeningTools['open'] = async (folder, create) => {
      const database = await losing(folder, create)
      await expect(openDatabase(folder, false)).rejects.toMatchObject({ code: 'STATE_LOCKED' })
      return database
    }

    const opened = openedWith(dir, { open })

    await expect(opened).rejects.toMatchObject({ code: 'STORE_SUSPECT', facts: { cause: LOSS } })
  })

  test('is known at every later start, when the log that told it is long gone', async () => {
    const dir = await filledFolder(false)
    await expect(openedWith(dir, { open: losing })).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
    for (const name of ['LOG', 'LOG.old']) await rm(join(dir, name), { force: true })

    const again = storeIn(dir)

    // Neither locked: the database is closed again.
    await expect(again).rejects.toMatchObject({ code: 'STORE_SUSPECT', facts: { cause: LOSS } })
  })
})

describe('a folder that another process changes while it is checked', () => {
  const suspect = (dir: string) => new MeshError('STORE_SUSPECT', { dir, cause: 'half a change' })

  /** A check that finds a loss `times` times; `change` is what the other process does meanwhile. */
  function doubting(times: number, change: (dir: string) => Promise<void>) {
    const checks: string[] = []
    const check: OpeningTools['check'] = async (dir) => {
      checks.push(dir)
      if (checks.length > times) return await checkFolder(dir)
      await change(dir)
      throw suspect(dir)
    }
    return { checks, check }
  }

  const rewrites = (dir: string) => appendFile(join(dir, 'LOG'), 'another opening\n')

  test('is checked again: what was read may never have been there at one time', async () => {
    const dir = await filledFolder(false)
    const { checks, check } = doubting(2, rewrites)

    const { database } = await openedWith(dir, { check })

    await database.close()
    expect(checks).toHaveLength(3)
    expect(await rounds(dir)).toEqual(ALL_ROUNDS)
  })

  test('again and again, is in use', async () => {
    const dir = await filledFolder(false)
    const { check } = doubting(Number.POSITIVE_INFINITY, rewrites)

    await expect(openedWith(dir, { check })).rejects.toMatchObject({
      code: 'STATE_LOCKED',
      facts: { state: dir, pid: 'unknown' }
    })
    expect(await rounds(dir)).toEqual(ALL_ROUNDS)
  })

  test('is suspect at once where nothing changed', async () => {
    const dir = await filledFolder(false)
    const { checks, check } = doubting(1, () => Promise.resolve())

    await expect(openedWith(dir, { check })).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
    expect(checks).toHaveLength(1)
  })
})

function openedWith(dir: string, tools: Partial<OpeningTools>) {
  const options = { dir, peerId: 'peer-a', create: false, openedBy: 'test', codec: JSON_CODEC }
  return openChecked(options, { open: openDatabase, check: checkFolder, ...tools })
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
