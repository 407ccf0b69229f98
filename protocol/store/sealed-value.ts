import { MeshError } from '../core/errors.ts'
import { crc32c } from './crc32c.ts'

/** First byte of every value; a later layout gets another one. */
const FORMAT = 1
const HEADER_BYTES = 5

/**
 * `format || checksum || payload`. LevelDB checks its own blocks only on compaction and never tells
 * (R2), so every value carries a CRC-32C of key and payload: a value under a wrong key fails too.
 */
export function sealValue(key: string, payload: Uint8Array): Uint8Array {
  const sealed = Buffer.allocUnsafe(HEADER_BYTES + payload.length)
  sealed[0] = FORMAT
  sealed.set(payload, HEADER_BYTES)
  sealed.writeUInt32BE(checksumOf(key, payload), 1)
  return sealed
}

/** The payload. Throws STORE_SUSPECT where it is not what was sealed under `key`. */
export function unsealValue(dir: string, key: string, sealed: Uint8Array): Uint8Array {
  const payload = sealed.subarray(HEADER_BYTES)
  if (sealed[0] !== FORMAT || sealedChecksum(sealed) !== checksumOf(key, payload)) {
    throw new MeshError('STORE_SUSPECT', { dir, cause: `${key} fails its checksum` })
  }
  return payload
}

/** The checksum that a sealed value carries. */
export function sealedChecksum(sealed: Uint8Array): number {
  if (sealed.length < HEADER_BYTES) return -1
  return new DataView(sealed.buffer, sealed.byteOffset, HEADER_BYTES).getUint32(1)
}

/** A sealed JSON document. */
export function sealJson(key: string, document: unknown): Uint8Array {
  return sealValue(key, Buffer.from(JSON.stringify(document)))
}

/** Throws STORE_SUSPECT where it is not what was sealed under `key`. */
export function unsealJson<Document>(dir: string, key: string, sealed: Uint8Array): Document {
  return JSON.parse(Buffer.from(unsealValue(dir, key, sealed)).toString('utf8')) as Document
}

function checksumOf(key: string, payload: Uint8Array): number {
  return crc32c(payload, crc32c(Buffer.from(key)))
}
