/** The Castagnoli polynomial, reflected: what LevelDB's own files use (lease-protocol 4.4). */
const POLYNOMIAL = 0x82f63b78

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let entry = index
  for (let bit = 0; bit < 8; bit += 1) {
    entry = (entry & 1) === 1 ? (entry >>> 1) ^ POLYNOMIAL : entry >>> 1
  }
  return entry >>> 0
})

/** CRC-32C of `bytes`; `seed` is the checksum of what comes before them, 0 at the start. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed
  for (let index = 0; index < bytes.length; index += 1) {
    crc = (TABLE[(crc ^ (bytes[index] as number)) & 0xff] as number) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}

/** How LevelDB stores a checksum: rotated, so that it is no checksum of data that holds one. */
export function maskedCrc32c(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
