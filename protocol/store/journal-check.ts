import { crc32c } from './crc32c.ts'

/*
 * LevelDB's journals (`*.log`, `MANIFEST-*`): blocks of 32 KiB with records of
 * `masked crc32c (4, little endian) | length (2) | type (1) | payload`; a record never crosses a
 * block. LevelDB 1.20 log_reader.cc takes a length that points behind the end of the file for a
 * writer that died, and says nothing: one flipped bit in it loses every acknowledged write behind.
 */
const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7
const MASK_DELTA = 0xa282ead8
/** Full, first, middle, last. */
const TYPE_MAX = 4

/** What is wrong with a journal; undefined for a sound one, with a torn last record or without. */
export function journalProblem(journal: Uint8Array): string | undefined {
  for (let start = 0; start < journal.length; start += BLOCK_BYTES) {
    const block = journal.subarray(start, start + BLOCK_BYTES)
    const problem = blockProblem(block, start + BLOCK_BYTES >= journal.length)
    if (problem !== undefined) return `${problem} in the block at byte ${start}`
  }
  return undefined
}

function blockProblem(block: Uint8Array, last: boolean): string | undefined {
  let at = 0
  while (block.length - at >= HEADER_BYTES) {
    const rest = block.subarray(at)
    const end = HEADER_BYTES + lengthOf(rest)
    if (end > rest.length) {
      return last && isTorn(rest) ? undefined : 'a record that is longer than what is there'
    }
    if (rest[6] === 0 && end === HEADER_BYTES) {
      return rest.every((byte) => byte === 0) ? undefined : 'a record behind empty space'
    }
    if (!fits(rest, end)) return 'a record that fails its checksum'
    at += end
  }
  return undefined
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
  if (type < 1 || type > TYPE_MAX) return false
  const view = new DataView(record.buffer, record.byteOffset, HEADER_BYTES)
  return view.getUint32(0, true) === masked(crc32c(record.subarray(6, end)))
}

function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
}

function lengthOf(record: Uint8Array): number {
  return (record[4] as number) | ((record[5] as number) << 8)
}
