import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '../../../protocol/store/mesh-store.ts'
import { JSON_CODEC } from '../../support/json-codec.ts'
import { memoryWitnessStore, openMemoryStore } from '../../support/memory-store.ts'
import { witnessStoreContract } from '../../support/store-contract.ts'

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
