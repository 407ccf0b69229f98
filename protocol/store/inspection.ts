import { cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { causeOf, codeOf, MeshError } from '../core/errors.ts'
import { STORE_COPY_BYTES_MAX } from '../core/limits.ts'
import type { RecordCodec } from './codec.ts'
import { type Database, openDatabase } from './database.ts'
import { checkFolder, suspicionOf } from './folder-check.ts'
import { type LastStop, openRows } from './opening.ts'

/** What can be known of a store without changing a byte of it. */
export type Inspection =
  | { readonly kind: 'absent' }
  | { readonly kind: 'suspect'; readonly cause: string }
  /** Not looked into: it is too large to be copied, or there is no room for a copy. */
  | { readonly kind: 'unread'; readonly cause: string }
  | {
      readonly kind: 'sound'
      readonly storeId: string
      readonly lastStop: LastStop
      readonly records: number
      readonly bytes: number
    }

export interface InspectionOptions {
  readonly dir: string
  readonly peerId: string
  readonly codec: RecordCodec
}

/**
 * Checks a store that nobody has open as its start would, on a copy: opening LevelDB rewrites its
 * journals, and the mark of the last stop would be gone. Rejects with STATE_UNREADABLE.
 */
export async function inspectStore(options: InspectionOptions): Promise<Inspection> {
  const { dir } = options
  const doubt = await suspicionOf(dir)
  if (doubt !== undefined) return { kind: 'suspect', cause: doubt }
  const bytes = await bytesIn(dir)
  if (bytes > STORE_COPY_BYTES_MAX) {
    return { kind: 'unread', cause: `${bytes} bytes of at most ${STORE_COPY_BYTES_MAX}` }
  }
  const scratch = await mkdtemp(join(tmpdir(), 'runner-mesh-doctor-'))
  try {
    if ((await checkFolder(dir)) === 'new') return { kind: 'absent' }
    const copy = join(scratch, 'store')
    await cp(dir, copy, { recursive: true })
    return await readCopy({ ...options, dir: copy }, bytes)
  } catch (error) {
    // The agent itself could not start on it: no matter of room for a copy.
    if (isDenied(error)) {
      const facts = { path: dir, cause: causeOf(error) }
      throw new MeshError('STATE_UNREADABLE', facts, { cause: error })
    }
    if (codeOf(error) !== 'STORE_SUSPECT') return { kind: 'unread', cause: causeOf(error) }
    const cause = error instanceof MeshError ? String(error.facts['cause']) : causeOf(error)
    return { kind: 'suspect', cause }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function readCopy(options: InspectionOptions, bytes: number): Promise<Inspection> {
  const database: Database = await openDatabase(options.dir, false)
  try {
    const doubt = await suspicionOf(options.dir)
    if (doubt !== undefined) return { kind: 'suspect', cause: doubt }
    const opened = await openRows(database, { ...options, create: false, openedBy: 'doctor' })
    const { storeId, lastStop, state } = opened
    return { kind: 'sound', storeId, lastStop, records: state.records, bytes }
  } finally {
    await database.close()
  }
}

function isDenied(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'EACCES' || code === 'EPERM'
}

async function bytesIn(dir: string): Promise<number> {
  const names = await readdir(dir).catch(() => [])
  let bytes = 0
  for (const name of names) bytes += (await stat(join(dir, name)).catch(() => undefined))?.size ?? 0
  return bytes
}
