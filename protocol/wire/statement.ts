import { hash } from 'node:crypto'

const LENGTH_BYTES = 4

/**
 * What is hashed or signed: a domain and fields, UTF-8, each behind its length as four bytes,
 * big-endian. Without the lengths `ab`,`c` and `a`,`bc` would be one statement; without a domain a
 * signature could be shown where another statement is asked for.
 */
export function statement(domain: string, fields: readonly (string | number)[]): Uint8Array {
  const texts = [domain, ...fields.map(String)]
  const sizes = texts.map((text) => Buffer.byteLength(text))
  const bytes = Buffer.alloc(sizes.reduce((sum, size) => sum + LENGTH_BYTES + size, 0))
  let at = 0
  for (const [index, text] of texts.entries()) {
    at = bytes.writeUInt32BE(sizes[index] ?? 0, at)
    at += bytes.write(text, at)
  }
  return bytes
}

// In one call: a hash object that is used once costs more than the hashing.
export function sha256(bytes: Uint8Array | string): Buffer {
  return hash('sha256', bytes, 'buffer')
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex')
}
