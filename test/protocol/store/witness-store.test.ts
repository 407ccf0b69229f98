import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { COMMIT_QUEUE_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { type Database, openDatabase } from '../../../protocol/store/database.ts'
import { openStore } from '../../../protocol/store/mesh-store.ts'
import { JSON_CODEC } from '../../support/json-codec.ts'
import { memoryWitnessStore, openMemoryStore } from '../../support/memory-store.ts'
import { witnessStoreContract } from '../../support/store-contract.ts'
import { storeOver, temporaryFolder } from '../../support/store-folder.ts'
import { promiseOf } from '../../support/store-records.ts'

witnessStoreContract('LevelDB', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'mesh-store-'))
  const options = { dir, peerId: 'peer-a', create: true, openedBy: 'test', codec: JSON_CODEC }
  const opened = await openStore({ ...options, onFailure: () => undefined })
  return {
    store: opened.witness,
    close: async () => {
      await opened.close()
      await rm(dir, { recursive: true })
    }
  }
})

witnessStoreContract('memory-level', async () => {
  const opened = await openMemoryStore()
  return { store: opened.witness, close: () => opened.close() }
})

witnessStoreContract('memory', async () => ({
  store: memoryWitnessStore(),
  close: async () => undefined
}))

test('a save that is refused hides nothing that is on its way to the disk', async () => {
  const { witness, close } = await openMemoryStore()
  const save = (register: string, round: number, bytes = 0): Promise<number> => {
    const key = { register, witnessEpoch: 1 }
    const announcement = { annHash: 'ab', bytes: new Uint8Array(bytes) }
    return witness.save({ key, record: promiseOf(round), announcement })
  }
  const first = save('RUN.0', 1)
  const large = save('RUN.1', 1, COMMIT_QUEUE_BYTES_MAX - 2_000)

  await expect(save('RUN.0', 2, 2_000)).rejects.toMatchObject({ code: 'OVERLOADED' })

  expect(await witness.load({ register: 'RUN.0', witnessEpoch: 1 })).toEqual(promiseOf(1))
  await Promise.all([first, large])
  expect(await witness.load({ register: 'RUN.0', witnessEpoch: 1 })).toEqual(promiseOf(1))
  await close()
})

test('64 writers side by side on one disk share few syncs', async () => {
  const dir = await temporaryFolder()
  const level = await openDatabase(dir, true)
  let batches = 0
  const counted: Database = {
    ...level,
    batch: async (operations, options) => {
      batches += 1
      await level.batch(operations, options)
    }
  }
  const { witness, close } = await storeOver(counted, dir)
  const atOpening = batches
  const rounds = Array.from({ length: 10 }, (_, index) => index + 1)
  const write = async (writer: number): Promise<void> => {
    const key = { register: `RUN.${writer}`, witnessEpoch: 1 }
    for (const round of rounds) {
      await witness.save({ key, record: promiseOf(round), announcement: undefined })
    }
  }
  await Promise.all(Array.from({ length: 64 }, (_, writer) => write(writer)))
  const shared = batches - atOpening
  await close()

  // 640 writes; each writer waits for its own, so at least one batch a round.
  expect(shared).toBeGreaterThanOrEqual(10)
  expect(shared).toBeLessThanOrEqual(40)
})
