import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { MeshError } from '../../protocol/core/errors.ts'
import { type MeshStore, openStore, type StoreOptions } from '../../protocol/store/mesh-store.ts'
import { JSON_CODEC } from './json-codec.ts'

/** A folder of this test's own, gone when it ends. */
export async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'mesh-store-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export interface StoreInTest extends MeshStore {
  /** What its owner was told. */
  readonly failures: readonly MeshError[]
}

/** A real store in `dir`, made if missing, closed when the test ends. */
export async function storeIn(
  dir: string,
  options: Partial<StoreOptions> = {}
): Promise<StoreInTest> {
  const failures: MeshError[] = []
  const store = await openStore({
    dir,
    peerId: 'peer-a',
    create: true,
    openedBy: 'test',
    codec: JSON_CODEC,
    onFailure: (error) => {
      failures.push(error)
    },
    ...options
  })
  onTestFinished(() => store.close().catch(() => undefined))
  return { ...store, failures }
}
