import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RecordKey } from '../../protocol/core/ports.ts'
import { storeIn, temporaryFolder } from './store-folder.ts'
import { acceptOf, jobValue } from './store-records.ts'

const REGISTERS = 40
/** Key of the record `index` of a filled folder. */
export const keyOf = (index: number): RecordKey => ({ register: `RUN.${index}`, witnessEpoch: 1 })

/** A store with REGISTERS records; `tables` has LevelDB move them from its journal to a table. */
export async function filledFolder(tables: boolean): Promise<string> {
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

/** What each record of the folder promised. Throws what the opening throws. */
export async function rounds(dir: string): Promise<(number | undefined)[]> {
  const store = await storeIn(dir, { create: false })
  const found: (number | undefined)[] = []
  for (let index = 0; index < REGISTERS; index += 1) {
    found.push((await store.witness.load(keyOf(index)))?.promised.round)
  }
  await store.close()
  return found
}

/** What `rounds` finds when nothing is lost. */
export const ALL_ROUNDS = Array.from({ length: REGISTERS }, (_, index) => index + 1)

/** Flips one bit of the files `names`, taken as one row of bytes. */
export async function flipBit(
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
