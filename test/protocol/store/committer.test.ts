import { expect, test } from 'vitest'
import { MeshError } from '../../../protocol/core/errors.ts'
import { COMMIT_BATCH_BYTES_MAX, COMMIT_QUEUE_BYTES_MAX } from '../../../protocol/core/limits.ts'
import {
  SYNC_SAMPLES_MAX,
  SYNC_SAMPLES_MIN,
  SYNC_WINDOW_MS
} from '../../../protocol/core/sync-limits.ts'
import { Committer, type PlannedWrite } from '../../../protocol/store/committer.ts'
import type { StoreOp } from '../../../protocol/store/database.ts'
import { META_WSEQ } from '../../../protocol/store/keys.ts'
import { unsealJson } from '../../../protocol/store/sealed-value.ts'
import { SyncMeter } from '../../../protocol/store/sync-meter.ts'
import { Tally } from '../../../protocol/store/tally.ts'

interface Batch {
  readonly operations: readonly StoreOp[]
  readonly options: { readonly sync: boolean }
  readonly synced: () => void
  readonly failed: (error: Error) => void
}

/** A database whose disk answers when the test says so. */
class SlowDatabase {
  readonly batches: Batch[] = []

  batch(operations: readonly StoreOp[], options: { readonly sync: true }): Promise<void> {
    return new Promise((synced, failed) => {
      this.batches.push({ operations, options, synced, failed })
    })
  }

  /** The batch `index`, once it has come. */
  async batchAt(index: number): Promise<Batch> {
    for (let turns = 0; turns < 100; turns += 1) {
      const batch = this.batches[index]
      if (batch !== undefined) return batch
      await turn()
    }
    throw new Error(`no batch ${index} came`)
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function committerOver(database: SlowDatabase): { committer: Committer; failures: MeshError[] } {
  const failures: MeshError[] = []
  const onFailure = (error: MeshError): void => {
    failures.push(error)
  }
  const tally = new Tally()
  return {
    committer: new Committer({ database, tally, onFailure }, { dir: '/store', wseq: 0 }),
    failures
  }
}

function writeOf(key: string, bytes = 100): PlannedWrite {
  return {
    bytes,
    ready: undefined,
    plan: () => [{ type: 'put', key, value: new Uint8Array(1) }]
  }
}

const keysOf = (batch: Batch): string[] => batch.operations.map(({ key }) => key)

test('64 writers side by side share two batches, in call order, each synced', async () => {
  const database = new SlowDatabase()
  const { committer } = committerOver(database)
  const first = committer.write(writeOf('k0'))
  const flying = await database.batchAt(0)
  const others = Array.from({ length: 63 }, (_, index) => committer.write(writeOf(`k${index + 1}`)))
  flying.synced()
  const second = await database.batchAt(1)
  second.synced()

  expect(await first).toBe(1)
  expect(await Promise.all(others)).toEqual(Array.from({ length: 63 }, () => 64))
  expect(keysOf(flying)).toEqual(['k0', META_WSEQ])
  expect(keysOf(second)).toEqual([
    ...Array.from({ length: 63 }, (_, index) => `k${index + 1}`),
    META_WSEQ
  ])
  expect(database.batches.map(({ options }) => options)).toEqual([{ sync: true }, { sync: true }])
})

test('no write and no barrier is answered before the sync of its batch', async () => {
  const database = new SlowDatabase()
  const { committer } = committerOver(database)
  const answered: string[] = []
  const note = (name: string, answer: Promise<number>): Promise<void> =>
    answer.then((wseq) => {
      answered.push(`${name} ${wseq}`)
    })
  const done = [note('a', committer.write(writeOf('a'))), note('barrier a', committer.barrier())]
  const first = await database.batchAt(0)
  done.push(note('b', committer.write(writeOf('b'))), note('barrier b', committer.barrier()))
  await turn()
  await turn()

  expect(answered).toEqual([])
  first.synced()
  const second = await database.batchAt(1)
  await turn()
  expect(answered).toEqual(['a 1', 'barrier a 1'])
  second.synced()
  await Promise.all(done)
  expect(answered.slice(2)).toEqual(['b 2', 'barrier b 2'])
  expect(database.batches).toHaveLength(2)
})

test('a barrier writes nothing of its own', async () => {
  const database = new SlowDatabase()
  const { committer } = committerOver(database)

  expect(await committer.barrier()).toBe(0)
  const write = committer.write(writeOf('a'))
  const flying = await database.batchAt(0)
  const barrier = committer.barrier()
  flying.synced()
  expect(await barrier).toBe(1)
  await write
  expect(database.batches).toHaveLength(1)
})

test('a write is told that it has ended before anyone goes on who waited for it', async () => {
  const database = new SlowDatabase()
  const { committer } = committerOver(database)
  const told: string[] = []
  const hand = (key: string): Promise<unknown> => {
    const ended = () => {
      told.push(`${key} ended`)
    }
    const goesOn = () => {
      told.push(`${key} goes on`)
    }
    return committer.write({ ...writeOf(key), ended }).then(goesOn, goesOn)
  }
  const first = [hand('a'), hand('b')]
  const flying = await database.batchAt(0)
  const second = hand('c')
  expect(told).toEqual([])
  flying.synced()
  await Promise.all(first)
  expect(told).toEqual(['a ended', 'b ended', 'a goes on', 'b goes on'])

  const failing = await database.batchAt(1)
  const collected = hand('d')
  failing.failed(new Error('EIO'))
  await Promise.all([second, collected])
  expect(told.slice(4).sort()).toEqual(['c ended', 'c goes on', 'd ended', 'd goes on'])
  expect(told.indexOf('c ended')).toBeLessThan(told.indexOf('c goes on'))
  expect(told.indexOf('d ended')).toBeLessThan(told.indexOf('d goes on'))
})

test('every batch carries the sequence of its last write', async () => {
  const database = new SlowDatabase()
  const { committer } = committerOver(database)
  const writes = [committer.write(writeOf('a')), committer.write(writeOf('b'))]
  const batch = await database.batchAt(0)
  batch.synced()

  expect(await Promise.all(writes)).toEqual([2, 2])
  const state = batch.operations.at(-1)
  expect(state).toMatchObject({ type: 'put', key: META_WSEQ })
  const sealed = state?.type === 'put' ? state.value : new Uint8Array(0)
  expect(unsealJson('/store', META_WSEQ, sealed)).toMatchObject({ wseq: 2 })
})

test('the first failed sync is final: nothing is acknowledged or written after it', async () => {
  const database = new SlowDatabase()
  const { committer, failures } = committerOver(database)
  const flying = committer.write(writeOf('a'))
  const batch = await database.batchAt(0)
  const collected = [committer.write(writeOf('b')), committer.barrier()]
  batch.failed(new Error('No space left on device'))

  const failed = { code: 'STORE_FAILED', facts: { dir: '/store', action: 'write' } }
  for (const answer of [flying, ...collected]) await expect(answer).rejects.toMatchObject(failed)
  await expect(committer.write(writeOf('c'))).rejects.toMatchObject(failed)
  await expect(committer.barrier()).rejects.toMatchObject(failed)
  await committer.close([])
  await turn()
  expect(database.batches).toHaveLength(1)
  expect(failures.map(({ code }) => code)).toEqual(['STORE_FAILED'])
  expect(() => committer.check()).toThrow('No space left')
})

test('a store that is failed from outside acknowledges not even what is on its way', async () => {
  const database = new SlowDatabase()
  const { committer, failures } = committerOver(database)
  const flying = committer.write(writeOf('a'))
  const batch = await database.batchAt(0)
  committer.fail(new MeshError('STORE_SUSPECT', { dir: '/store', cause: 'a peer knows more' }))
  batch.synced()

  await expect(flying).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  committer.fail(new MeshError('STORE_SUSPECT', { dir: '/store', cause: 'again' }))
  expect(failures).toHaveLength(1)
})

test('a store that is failed while a write is prepared writes nothing more', async () => {
  const database = new SlowDatabase()
  const { committer } = committerOver(database)
  const prepared = Promise.withResolvers<void>()
  const planned: number[] = []
  const plan = (sequence: number): readonly StoreOp[] => {
    planned.push(sequence)
    return []
  }
  const write = committer.write({ bytes: 100, ready: prepared.promise, plan })
  const refused = expect(write).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  // Its batch is taken by now and waits for nothing else.
  await turn()
  committer.fail(new MeshError('STORE_SUSPECT', { dir: '/store', cause: 'a peer knows more' }))
  prepared.resolve()

  // A database that was given the batch would never answer it here.
  for (let turns = 0; turns < 10; turns += 1) await turn()
  expect(database.batches).toHaveLength(0)
  expect(planned).toEqual([])
  await refused
})

test('a write whose preparation fails takes the store with it', async () => {
  const database = new SlowDatabase()
  const { committer, failures } = committerOver(database)
  const ready = Promise.reject(new Error('unreadable'))

  await expect(committer.write({ ...writeOf('a'), ready })).rejects.toMatchObject({
    code: 'STORE_FAILED'
  })
  expect(database.batches).toHaveLength(0)
  expect(failures).toHaveLength(1)
})

test('a batch has a size, and what does not fit it comes in the next one', async () => {
  const database = new SlowDatabase()
  const { committer } = committerOver(database)
  const half = Math.ceil(COMMIT_BATCH_BYTES_MAX / 2)
  const writes = ['a', 'b', 'c'].map((key) => committer.write(writeOf(key, half)))
  const huge = committer.write(writeOf('d', 2 * COMMIT_BATCH_BYTES_MAX))
  for (const index of [0, 1, 2]) (await database.batchAt(index)).synced()

  expect(await Promise.all([...writes, huge])).toEqual([2, 2, 3, 4])
  expect(database.batches.map((batch) => keysOf(batch).slice(0, -1))).toEqual([
    ['a', 'b'],
    ['c'],
    ['d']
  ])
})

test('more than the queue may hold is refused and does not fail the store', async () => {
  const database = new SlowDatabase()
  const { committer, failures } = committerOver(database)
  const first = committer.write(writeOf('a', COMMIT_QUEUE_BYTES_MAX))

  await expect(committer.write(writeOf('b'))).rejects.toMatchObject({ code: 'OVERLOADED' })
  const batch = await database.batchAt(0)
  batch.synced()
  expect(await first).toBe(1)
  const next = committer.write(writeOf('c'))
  const second = await database.batchAt(1)
  second.synced()
  expect(await next).toBe(2)
  expect(failures).toEqual([])
})

test('a closed store has synced all, and takes nothing more', async () => {
  const database = new SlowDatabase()
  const { committer, failures } = committerOver(database)
  const write = committer.write(writeOf('a'))
  const closing = committer.close([{ type: 'put', key: 'last', value: new Uint8Array(0) }])
  const batch = await database.batchAt(0)
  batch.synced()
  await closing

  expect(keysOf(batch)).toEqual(['a', 'last', META_WSEQ])
  expect(await write).toBe(2)
  await expect(committer.write(writeOf('b'))).rejects.toMatchObject({ code: 'STORE_FAILED' })
  expect(failures).toEqual([])
})

test('how long syncs take is measured, and a slow disk is told only while it is slow', async () => {
  let nowMs = 0
  const database = new SlowDatabase()
  const meter = new SyncMeter(() => nowMs)
  const told: number[] = []
  meter.onSync((ms) => told.push(ms))
  const parts = { database, tally: new Tally(), onFailure: () => undefined, meter }
  const committer = new Committer(parts, { dir: '/store', wseq: 0 })
  let batches = 0
  const syncsOf = async (count: number, ms: number) => {
    for (let index = 0; index < count; index += 1) {
      const written = committer.write(writeOf(`k${index}`))
      const batch = await database.batchAt(batches)
      batches += 1
      nowMs += ms
      batch.synced()
      await written
    }
  }

  await syncsOf(SYNC_SAMPLES_MIN - 1, 4_000)
  expect(meter.figures()).toEqual({ p99Ms: 4_000, syncs: SYNC_SAMPLES_MIN - 1, isSlow: false })
  await syncsOf(1, 5)
  expect(meter.figures()).toMatchObject({ p99Ms: 4_000, isSlow: true })
  expect(told).toEqual([...Array.from({ length: SYNC_SAMPLES_MIN - 1 }, () => 4_000), 5])
  nowMs += SYNC_WINDOW_MS
  await syncsOf(400, 3)
  expect(meter.figures()).toEqual({ p99Ms: 3, syncs: 400, isSlow: false })
  // One in a hundred may be slow.
  await syncsOf(3, 9_000)
  expect(meter.figures().isSlow).toBe(false)
  await syncsOf(3 * SYNC_SAMPLES_MAX, 2)
  expect(meter.figures()).toEqual({ p99Ms: 2, syncs: SYNC_SAMPLES_MAX, isSlow: false })
})
