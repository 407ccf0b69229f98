import { mkdir } from 'node:fs/promises'
import { Level } from 'level'
import { causeOf, MeshError } from '../core/errors.ts'
import { STORE_BUFFER_BYTES } from '../core/store-limits.ts'

export type StoreOp =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string }

export interface RowRange {
  /** Keys after this one. */
  readonly gt: string
  /** Keys before this one. */
  readonly lt: string
}

/** What the store needs of a database: LevelDB, or memory-level in tests. */
export interface Database {
  get(key: string): Promise<Uint8Array | undefined>
  /** Resolves once all operations are on the disk, all or none of them. */
  batch(operations: readonly StoreOp[], options: { readonly sync: true }): Promise<void>
  /** Rows of the range in key order, from one snapshot. */
  iterator(range: RowRange): AsyncIterable<[string, Uint8Array]>
  close(): Promise<void>
}

/** What LevelDB and memory-level have in common, with text as keys and bytes as values. */
export interface LevelLike extends Omit<Database, 'batch'> {
  batch(): {
    put(key: string, value: Uint8Array): unknown
    del(key: string): unknown
    write(options: { readonly sync: true }): Promise<void>
  }
}

export function databaseOver(level: LevelLike): Database {
  return {
    get: (key) => level.get(key),
    iterator: (range) => level.iterator(range),
    close: () => level.close(),
    batch: async (operations, options) => {
      // A chained batch takes a third of the processor time of an array of operations.
      const batch = level.batch()
      for (const operation of operations) {
        if (operation.type === 'put') batch.put(operation.key, operation.value)
        else batch.del(operation.key)
      }
      await batch.write(options)
    }
  }
}

/**
 * Opens LevelDB in `dir`. Throws STATE_LOCKED, STATE_UNWRITABLE, STORE_SUSPECT for files that
 * LevelDB itself calls corrupt or misses, STORE_FAILED for a disk that does not answer.
 */
export async function openDatabase(dir: string, create: boolean): Promise<Database> {
  try {
    if (create) await mkdir(dir, { recursive: true, mode: 0o700 })
    const level = new Level<string, Uint8Array>(dir, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      createIfMissing: create,
      // Records are hashes and signatures; and `checkFolder` reads tables without a decompressor.
      compression: false,
      writeBufferSize: STORE_BUFFER_BYTES
    })
    await level.open()
    return databaseOver(level)
  } catch (error) {
    throw openProblem(dir, error)
  }
}

const UNWRITABLE =
  /EACCES|EPERM|EROFS|ENOTDIR|EEXIST|ermission denied|ead-only file system|ot a directory/

/** LevelDB tells a missing table, a torn manifest and an unusable CURRENT in these words. */
const DAMAGED = /orruption|issing files|o such file|CURRENT|nvalid argument/

/** What an error at opening means for the person who started us. */
export function openProblem(dir: string, error: unknown): MeshError {
  // Level wraps what LevelDB said as the cause of "Database failed to open".
  const inner = error instanceof Error && error.cause !== undefined ? error.cause : error
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : ''
  const cause = causeOf(inner)
  const told = { cause: inner }
  if (code === 'LEVEL_LOCKED') {
    return new MeshError('STATE_LOCKED', { state: dir, pid: 'unknown' }, told)
  }
  if (UNWRITABLE.test(`${code} ${cause}`)) {
    return new MeshError('STATE_UNWRITABLE', { state: dir, cause }, told)
  }
  if (code === 'LEVEL_CORRUPTION' || DAMAGED.test(cause)) {
    return new MeshError('STORE_SUSPECT', { dir, cause }, told)
  }
  return new MeshError('STORE_FAILED', { dir, action: 'open', cause }, told)
}
