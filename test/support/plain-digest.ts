import { createHash } from 'node:crypto'
import type { Digest } from '../../protocol/core/ports.ts'

/** Digests without the wire room: SHA-256 over the value as JSON with sorted keys. */
export function plainDigest(): Digest {
  const known = new WeakMap<object, string>()
  return {
    hash(value) {
      const before = known.get(value)
      if (before !== undefined) return before
      const hash = sha256(canonical(value))
      known.set(value, hash)
      return hash
    },
    text: sha256
  }
}

/** JSON in which equal values are equal texts, however they were put together. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) => {
    if (typeof field !== 'object' || field === null || Array.isArray(field)) return field
    return Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
