/** The Castagnoli polynomial, reflected: what LevelDB's own files use (lease-protocol 4.4). */
const POLYNOMIAL = 0x82f63b78

/** What a byte does to the checksum when `zeros` bytes of nothing follow it. */
function tableBefore(zeros: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, index) => {
    let entry = index
    for (let bit = 0; bit < 8 * (1 + zeros); bit += 1) {
      entry = (entry & 1) === 1 ? (entry >>> 1) ^ POLYNOMIAL : entry >>> 1
    }
    return entry
  })
}

const LAST = tableBefore(0)
const BEFORE_1 = tableBefore(1)
const BEFORE_2 = tableBefore(2)
const BEFORE_3 = tableBefore(3)
const BEFORE_4 = tableBefore(4)
const BEFORE_5 = tableBefore(5)
const BEFORE_6 = tableBefore(6)
const BEFORE_7 = tableBefore(7)

/**
 * CRC-32C of `bytes`, from `from` on; `seed` is the checksum of what comes before them, 0 at the
 * start. Eight bytes a turn, which takes a third of the time of one.
 */
export function crc32c(bytes: Uint8Array, seed = 0, from = 0): number {
  let crc = ~seed
  let place = from
  for (; place + 8 <= bytes.length; place += 8) {
    crc =
      (BEFORE_7[(crc ^ (bytes[place] as number)) & 0xff] as number) ^
      (BEFORE_6[((crc >>> 8) ^ (bytes[place + 1] as number)) & 0xff] as number) ^
      (BEFORE_5[((crc >>> 16) ^ (bytes[place + 2] as number)) & 0xff] as number) ^
      (BEFORE_4[(crc >>> 24) ^ (bytes[place + 3] as number)] as number) ^
      (BEFORE_3[bytes[place + 4] as number] as number) ^
      (BEFORE_2[bytes[place + 5] as number] as number) ^
      (BEFORE_1[bytes[place + 6] as number] as number) ^
      (LAST[bytes[place + 7] as number] as number)
  }
  for (; place < bytes.length; place += 1) {
    crc = (LAST[(crc ^ (bytes[place] as number)) & 0xff] as number) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}

/** `crc32c` of the text's UTF-8 bytes, without making them where all are ASCII. */
export function crc32cOfText(text: string, seed = 0): number {
  let crc = ~seed
  for (let place = 0; place < text.length; place += 1) {
    const code = text.charCodeAt(place)
    if (code > 0x7f) return crc32c(Buffer.from(text), seed)
    crc = (LAST[(crc ^ code) & 0xff] as number) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}

/** How LevelDB stores a checksum: rotated, so that it is no checksum of data that holds one. */
export function maskedCrc32c(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
