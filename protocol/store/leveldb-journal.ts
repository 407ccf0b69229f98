import { crc32c, maskedCrc32c } from './crc32c.ts'

/*
 * LevelDB's journals (`*.log`, `MANIFEST-*`): blocks of 32 KiB with fragments of
 * `masked crc32c (4, little endian) | length (2) | type (1) | payload`; a fragment never crosses a
 * block. LevelDB 1.20 log_reader.cc takes a length that points behind the end of the file for a
 * writer that died, and says nothing: one flipped bit in it loses every acknowledged write behind.
 */
const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7
const FULL = 1
const FIRST = 2
const LAST = 4

export interface Journal {
  /** Records that were written completely. */
  readonly records: readonly Uint8Array[]
  /** What is wrong; a torn record at the end is not, since nothing in it was acknowledged. */
  readonly problem: string | undefined
}

/** Reads a journal as LevelDB does, but tells what LevelDB does not. */
export function readJournal(journal: Uint8Array): Journal {
  const records: Uint8Array[] = []
  let parts: Uint8Array[] = []
  for (let start = 0; start < journal.length; start += BLOCK_BYTES) {
    const block = journal.subarray(start, start + BLOCK_BYTES)
    const { fragments, problem } = readBlock(block, start + BLOCK_BYTES >= journal.length)
    for (const { type, payload } of fragments) {
      if (type === FULL || type === FIRST) parts = []
      parts.push(payload)
      if (type === FULL || type === LAST) records.push(Buffer.concat(parts))
    }
    if (problem !== undefined) return { records, problem: `${problem} behind byte ${start}` }
  }
  return { records, problem: undefined }
}

interface Block {
  readonly fragments: { readonly type: number; readonly payload: Uint8Array }[]
  readonly problem: string | undefined
}

function readBlock(block: Uint8Array, last: boolean): Block {
  const fragments: Block['fragments'] = []
  const broken = (problem: string | undefined): Block => ({ fragments, problem })
  let at = 0
  while (block.length - at >= HEADER_BYTES) {
    const rest = block.subarray(at)
    const end = HEADER_BYTES + lengthOf(rest)
    if (end > rest.length) {
      return broken(last && isTorn(rest) ? undefined : 'a record is longer than what is there')
    }
    if (rest[6] === 0 && end === HEADER_BYTES) {
      return broken(rest.every((byte) => byte === 0) ? undefined : 'a record is behind empty space')
    }
    if (!fits(rest, end)) return broken('a record fails its checksum')
    fragments.push({ type: rest[6] as number, payload: rest.subarray(HEADER_BYTES, end) })
    at += end
  }
  return broken(undefined)
}

/**
 * A torn record is the last thing a writer did: what is left of it neither fits the checksum (then
 * only its length was changed), nor is followed by a sound record (then it was whole once).
 */
function isTorn(rest: Uint8Array): boolean {
  if (fits(rest, rest.length)) return false
  for (let at = HEADER_BYTES; at + HEADER_BYTES < rest.length; at += 1) {
    const candidate = rest.subarray(at)
    const length = lengthOf(candidate)
    if (length === 0 || HEADER_BYTES + length > candidate.length) continue
    if (fits(candidate, HEADER_BYTES + length)) return false
  }
  return true
}

/** True when type and payload up to `end` have the checksum of the header. */
function fits(record: Uint8Array, end: number): boolean {
  const type = record[6] as number
  if (type < FULL || type > LAST) return false
  const view = new DataView(record.buffer, record.byteOffset, HEADER_BYTES)
  return view.getUint32(0, true) === maskedCrc32c(crc32c(record.subarray(6, end)))
}

function lengthOf(record: Uint8Array): number {
  return (record[4] as number) | ((record[5] as number) << 8)
}
