import { hash } from 'node:crypto'

const LENGTH_BYTES = 4
/** Bytes of UTF-8 that one unit of a text takes at most. */
const UNIT_BYTES_MAX = 3

/**
 * What is hashed or signed: a domain and fields, UTF-8, each behind its length as four bytes,
 * big-endian. Without the lengths `ab`,`c` and `a`,`bc` would be one statement; without a domain a
 * signature could be shown where another statement is asked for.
 */
export function statement(domain: string, fields: readonly (string | number)[]): Uint8Array {
  let room = roomOf(domain)
  for (const field of fields) room += roomOf(String(field))
  const bytes = Buffer.alloc(room)
  let at = put(bytes, 0, domain)
  for (const field of fields) at = put(bytes, at, String(field))
  return bytes.subarray(0, at)
}

function roomOf(text: string): number {
  return LENGTH_BYTES + text.length * UNIT_BYTES_MAX
}

/** Where the next one goes. */
function put(bytes: Buffer, at: number, text: string): number {
  const length = bytes.write(text, at + LENGTH_BYTES)
  bytes.writeUInt32BE(length, at)
  return at + LENGTH_BYTES + length
}

// In one call: a hash object that is used once costs more than the hashing.
export function sha256(bytes: Uint8Array | string): Buffer {
  return hash('sha256', bytes, 'buffer')
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex')
}
