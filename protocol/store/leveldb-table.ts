import { ByteReader } from './byte-reader.ts'
import { crc32c, maskedCrc32c } from './crc32c.ts'

/*
 * LevelDB's tables (`*.ldb`): data blocks, filter, list of filters, index of data blocks, footer,
 * one behind the other. A block is followed by its type and masked crc32c (5 bytes); LevelDB reads
 * them without a look at it, hides keys behind a flipped bit, or aborts the whole process.
 */
const FOOTER_BYTES = 48
const TRAILER_BYTES = 5
const MAGIC = Buffer.from('57fb808b247547db', 'hex')

interface Place {
  readonly offset: number
  readonly size: number
}

/** What is wrong with a table that was written without compression; undefined for a sound one. */
export function tableProblem(table: Uint8Array): string | undefined {
  try {
    const footer = table.subarray(Math.max(0, table.length - FOOTER_BYTES))
    if (!MAGIC.equals(footer.subarray(-MAGIC.length))) return 'no end'
    const reader = new ByteReader(footer)
    const filters = placeFrom(reader)
    const index = placeFrom(reader)
    const blocks = [...placesIn(table, index), ...placesIn(table, filters), filters, index]
    return layoutProblem(table, blocks)
  } catch (error) {
    return error instanceof RangeError ? error.message : String(error)
  }
}

/** The blocks must be sound, and leave no byte between them for one that is missing. */
function layoutProblem(table: Uint8Array, blocks: readonly Place[]): string | undefined {
  let at = 0
  for (const { offset, size } of blocks) {
    if (offset !== at) return `a gap at byte ${at}`
    if (!isSound(table, { offset, size })) return `a block that fails its checksum at byte ${at}`
    at = offset + size + TRAILER_BYTES
  }
  return at === table.length - FOOTER_BYTES ? undefined : `a gap at byte ${at}`
}

function isSound(table: Uint8Array, { offset, size }: Place): boolean {
  const end = offset + size + 1
  if (end + 4 > table.length) return false
  const view = new DataView(table.buffer, table.byteOffset + end, 4)
  return view.getUint32(0, true) === maskedCrc32c(crc32c(table.subarray(offset, end)))
}

/** What the entries of an index block point at. */
function placesIn(table: Uint8Array, index: Place): Place[] {
  const block = table.subarray(index.offset, index.offset + index.size)
  const restarts = Buffer.from(block).readUInt32LE(block.length - 4)
  const reader = new ByteReader(block.subarray(0, block.length - 4 * (restarts + 1)))
  const places: Place[] = []
  while (!reader.isAtEnd) {
    reader.varint()
    const keyBytes = reader.varint()
    const valueBytes = reader.varint()
    reader.take(keyBytes)
    places.push(placeFrom(new ByteReader(reader.take(valueBytes))))
  }
  return places
}

function placeFrom(reader: ByteReader): Place {
  return { offset: reader.varint(), size: reader.varint() }
}
