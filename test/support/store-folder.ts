import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { MeshError } from '../../protocol/core/errors.ts'
import type { Database } from '../../protocol/store/database.ts'
import {
  assembleStore,
  type MeshStore,
  openStore,
  type StoreOptions
} from '../../protocol/store/mesh-store.ts'
import { openRows } from '../../protocol/store/opening.ts'
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
  changes: Partial<StoreOptions> = {}
): Promise<StoreInTest> {
  const failures: MeshError[] = []
  const store = await openStore({ ...optionsFor(dir, failures), ...changes })
  onTestFinished(() => store.close().catch(() => undefined))
  return { ...store, failures }
}

/** A store over a database that the test holds, too. */
export async function storeOver(database: Database, dir: string): Promise<StoreInTest> {
  const failures: MeshError[] = []
  const options = optionsFor(dir, failures)
  const store = await assembleStore(await openRows(database, options), options)
  return { ...store, failures }
}

function optionsFor(dir: string, failures: MeshError[]): StoreOptions {
  const onFailure = (error: MeshError): void => {
    failures.push(error)
  }
  const who = { peerId: 'peer-a', openedBy: 'test' }
  return { dir, ...who, create: true, codec: JSON_CODEC, onFailure }
}
