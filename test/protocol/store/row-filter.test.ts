import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ROW_FILTER_BYTES } from '../../../protocol/core/store-limits.ts'
import { type Database, openDatabase } from '../../../protocol/store/database.ts'
import type { MeshStore } from '../../../protocol/store/mesh-store.ts'
import { RowFilter } from '../../../protocol/store/row-filter.ts'
import { memoryDatabase } from '../../support/memory-store.ts'
import { storeOver, temporaryFolder } from '../../support/store-folder.ts'
import { acceptOf, jobValue, promiseOf } from '../../support/store-records.ts'

/** A database that never closes, with the keys that it was asked for. */
function counted(database: Database): { readonly database: Database; readonly asked: string[] } {
  const asked: string[] = []
  const get = (key: string): Promise<Uint8Array | undefined> => {
    asked.push(key)
    return database.get(key)
  }
  return { asked, database: { ...database, get, close: async () => undefined } }
}

const at = (register: string) => ({ register, witnessEpoch: 1 })

test('a filter never denies a key that was added, however full it is', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 200 }), fc.nat(9), (keys, blocks) => {
      const filter = new RowFilter(blocks * 32 + 1)
      for (const key of keys) filter.add(key)

      expect(keys.filter((key) => !filter.mayHold(key))).toEqual([])
    })
  )
})

test('of keys that were not added a filter with 16 bits for each that was denies all but 1 %', () => {
  const rows = 100_000
  const filter = new RowFilter(2 * rows)
  const key = (index: number) => `r/7K3QF2ABCDEFGHJKMNPQ${index.toString(32).padStart(6, '0')}.0@1`
  for (let index = 0; index < rows; index += 1) filter.add(key(index))

  const held = Array.from({ length: rows }, (_, index) => filter.mayHold(key(rows + index)))

  expect(held.filter((isHeld) => isHeld).length).toBeLessThan(rows / 100)
  expect(new RowFilter().mayHold(key(0))).toBe(false)
  expect(ROW_FILTER_BYTES % 32).toBe(0)
})

test('a register that the store has never had is promised and accepted without one read', async () => {
  const { database, asked } = counted(await memoryDatabase())
  const { witness } = await storeOver(database, '/dev/null/memory')
  asked.length = 0

  for (const register of ['RUN', 'RUN.0', 'RUN.1']) {
    expect(await witness.load(at(register))).toBeUndefined()
    expect(await witness.isDropped(at(register))).toBe(false)
    await witness.save({ key: at(register), record: promiseOf(1), announcement: undefined })
    const record = acceptOf(2, jobValue(register, 1))
    await witness.save({ key: at(register), record, announcement: undefined })
  }
  await witness.save({ key: at('RUN.2'), record: promiseOf(1), announcement: undefined })

  expect(asked).toEqual([])
})

test('what lay in the folder when it was opened is read, and a drop is found after it', async () => {
  const dir = await temporaryFolder()
  const level = await openDatabase(dir, true)
  const before = await storeOver({ ...level, close: async () => undefined }, dir)
  for (const register of ['RUN.0', 'RUN.1']) {
    await before.witness.save({ key: at(register), record: promiseOf(7), announcement: undefined })
  }
  await before.witness.drop({ keys: [at('RUN.1'), at('RUN.2')], annHashes: [], wallMs: 1 })
  await before.close()

  const { database, asked } = counted(level)
  const { witness } = await storeOver(database, dir)
  asked.length = 0

  expect(await witness.load(at('RUN.0'))).toEqual(promiseOf(7))
  for (const register of ['RUN.1', 'RUN.2']) {
    expect(await witness.load(at(register))).toBeUndefined()
    expect(await witness.isDropped(at(register))).toBe(true)
  }
  expect(asked).toEqual(['r/RUN.0@1', 't/RUN.1@1', 't/RUN.2@1'])
  await level.close()
})

test('a record that is lost under a running store is missed, not taken for one that never was', async () => {
  const level = await memoryDatabase()
  const { witness } = await storeOver(level, '/dev/null/memory')
  await witness.save({ key: at('RUN.0'), record: promiseOf(7), announcement: undefined })
  await level.batch([{ type: 'del', key: 'r/RUN.0@1' }], { sync: true })

  await expect(witness.load(at('RUN.0'))).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
})

interface Step {
  readonly kind: 'save' | 'drop' | 'look' | 'forget' | 'reopen'
  readonly register: number
  readonly waits: boolean
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('save', 'save', 'drop', 'look', 'forget', 'reopen'),
  register: fc.nat(5),
  waits: fc.boolean()
})

/** A store beside what it must hold; saves and drops on their way go on when others are asked. */
class Model {
  readonly #open: () => Promise<MeshStore>
  readonly #rounds = new Map<string, number>()
  readonly #dropped = new Set<string>()
  #store: MeshStore

  constructor(store: MeshStore, open: () => Promise<MeshStore>) {
    this.#store = store
    this.#open = open
  }

  async take({ kind, register: number, waits }: Step, round: number): Promise<void> {
    const { witness } = this.#store
    const register = `RUN.${number}`
    const done = kind === 'save' ? this.#save(register, round) : undefined
    const dropped = kind === 'drop' ? this.#drop(register) : undefined
    if (kind === 'forget') {
      // Only what is on the disk can be forgotten.
      await witness.barrier()
      this.#dropped.clear()
      await witness.forget(() => true, '', 100)
    }
    if (kind === 'reopen') {
      await this.#store.close()
      this.#store = await this.#open()
    }
    if (waits) await Promise.all([done, dropped])
    await this.#look(register)
  }

  async #save(register: string, round: number): Promise<void> {
    // As a witness would not: its acceptor answers for a tombstone.
    if (this.#dropped.has(register)) return
    this.#rounds.set(register, round)
    const record = promiseOf(round)
    await this.#store.witness.save({ key: at(register), record, announcement: undefined })
  }

  async #drop(register: string): Promise<void> {
    this.#rounds.delete(register)
    this.#dropped.add(register)
    await this.#store.witness.drop({ keys: [at(register)], annHashes: [], wallMs: 1 })
  }

  async #look(register: string): Promise<void> {
    const { witness } = this.#store
    expect((await witness.load(at(register)))?.promised.round).toBe(this.#rounds.get(register))
    expect(await witness.isDropped(at(register))).toBe(this.#dropped.has(register))
  }
}

test('any history of saves, drops and openings is answered as a store that reads all has it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { database } = counted(await memoryDatabase())
      const open = () => storeOver(database, '/dev/null/memory')
      const model = new Model(await open(), open)
      for (const [round, each] of steps.entries()) await model.take(each, round)
    }),
    { numRuns: 200 }
  )
})
