import { ByteReader } from './byte-reader.ts'

/** LevelDB 1.20 version_edit.cc. */
const COMPARATOR = 1
const LOG_NUMBER = 2
const NEXT_FILE = 3
const LAST_SEQUENCE = 4
const COMPACT_POINTER = 5
const DELETED_FILE = 6
const NEW_FILE = 7
const PREVIOUS_LOG = 9

/**
 * What the records of a MANIFEST leave in use; other files are left over from a process that died.
 */
export interface Manifest {
  /** Numbers of `*.ldb` files. */
  readonly tables: ReadonlySet<number>
  /** Number of the oldest `*.log` file whose writes are in no table; 0 in a database just made. */
  readonly journal: number
}

/** Throws RangeError on a record that is none. */
export function readManifest(records: readonly Uint8Array[]): Manifest {
  const tables = new Set<number>()
  let journal = 0
  for (const record of records) {
    const edit = readEdit(new ByteReader(record))
    journal = edit.journal ?? journal
    // A table that moves to another level is removed and added in one record.
    for (const table of edit.removed) tables.delete(table)
    for (const table of edit.added) tables.add(table)
  }
  return { tables, journal }
}

interface Edit {
  readonly added: number[]
  readonly removed: number[]
  journal: number | undefined
}

function readEdit(reader: ByteReader): Edit {
  const edit: Edit = { added: [], removed: [], journal: undefined }
  while (!reader.isAtEnd) readField(reader, edit)
  return edit
}

function readField(reader: ByteReader, edit: Edit): void {
  const tag = reader.varint()
  switch (tag) {
    case COMPARATOR:
      reader.string()
      return
    case LOG_NUMBER:
      edit.journal = reader.varint()
      return
    case NEXT_FILE:
    case LAST_SEQUENCE:
    case PREVIOUS_LOG:
      reader.varint()
      return
    case COMPACT_POINTER:
      reader.varint()
      reader.string()
      return
    case DELETED_FILE:
      reader.varint()
      edit.removed.push(reader.varint())
      return
    case NEW_FILE:
      reader.varint()
      edit.added.push(reader.varint())
      reader.varint()
      reader.string()
      reader.string()
      return
    default:
      throw new RangeError(`field ${tag} is unknown`)
  }
}
