import { MeshError } from '../core/errors.ts'
import { crc32c, crc32cOfText } from './crc32c.ts'

/** First byte of every value; a later layout gets another one. */
const FORMAT = 1
const HEADER_BYTES = 5

/**
 * `format || checksum || payload`. LevelDB checks its own blocks only on compaction and never tells
 * (R2), so every value carries a CRC-32C of key and payload: a value under a wrong key fails too.
 * `fill` writes all `bytes` of the payload, from `start` on.
 */
export function sealFilled(
  key: string,
  bytes: number,
  fill: (sealed: Buffer, start: number) => void
): Uint8Array {
  const sealed = Buffer.allocUnsafe(HEADER_BYTES + bytes)
  sealed[0] = FORMAT
  fill(sealed, HEADER_BYTES)
  sealed.writeUInt32BE(checksumOf(key, sealed), 1)
  return sealed
}

/** `payload`, sealed under `key`. */
export function sealValue(key: string, payload: Uint8Array): Uint8Array {
  return sealFilled(key, payload.length, (sealed, start) => sealed.set(payload, start))
}

/** The payload. Throws STORE_SUSPECT where it is not what was sealed under `key`. */
export function unsealValue(dir: string, key: string, sealed: Uint8Array): Uint8Array {
  if (sealed[0] !== FORMAT || sealedChecksum(sealed) !== checksumOf(key, sealed)) {
    throw new MeshError('STORE_SUSPECT', { dir, cause: `${key} fails its checksum` })
  }
  return sealed.subarray(HEADER_BYTES)
}

/** The checksum that a sealed value carries. */
export function sealedChecksum(sealed: Uint8Array): number {
  if (sealed.length < HEADER_BYTES) return -1
  const byte = (index: number): number => sealed[index] as number
  return ((byte(1) << 24) | (byte(2) << 16) | (byte(3) << 8) | byte(4)) >>> 0
}

/** A sealed JSON document. */
export function sealJson(key: string, document: unknown): Uint8Array {
  const text = JSON.stringify(document)
  return sealFilled(key, Buffer.byteLength(text), (sealed, start) => sealed.write(text, start))
}

/** Throws STORE_SUSPECT where it is not what was sealed under `key`. */
export function unsealJson<Document>(dir: string, key: string, sealed: Uint8Array): Document {
  return JSON.parse(Buffer.from(unsealValue(dir, key, sealed)).toString('utf8')) as Document
}

function checksumOf(key: string, sealed: Uint8Array): number {
  return crc32c(sealed, crc32cOfText(key), HEADER_BYTES)
}
