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
 * Numbers of the tables that the records of a MANIFEST leave in use. Others in the folder are what a
 * process that died left behind. Throws on a record that is none.
 */
export function liveTables(records: readonly Uint8Array[]): Set<number> {
  const live = new Set<number>()
  for (const record of records) {
    const { added, removed } = readEdit(new ByteReader(record))
    for (const table of removed) live.delete(table)
    // A table that moves to another level is removed and added in one record.
    for (const table of added) live.add(table)
  }
  return live
}

interface Edit {
  readonly added: number[]
  readonly removed: number[]
}

function readEdit(reader: ByteReader): Edit {
  const edit: Edit = { added: [], removed: [] }
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
