import type { RegisterValue } from './messages.ts'
import type { Digest } from './ports.ts'

/**
 * Whether two values have one hash. Values of the same fields have the same bytes, so only those
 * that differ are encoded and hashed: a witness makes each value again that it is asked to accept,
 * and encoding that one costs ten times the comparison.
 */
export function sameValue(a: RegisterValue, b: RegisterValue, digest: Digest): boolean {
  return sameFields(a, b) || digest.hash(a) === digest.hash(b)
}

/** Plain data only, as values are; an absent field and an undefined one are the same. */
function sameFields(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, index) => sameFields(item, b[index]))
  }
  const one = a as Readonly<Record<string, unknown>>
  const other = b as Readonly<Record<string, unknown>>
  for (const key in one) if (!sameFields(one[key], other[key])) return false
  for (const key in other) if (other[key] !== undefined && !(key in one)) return false
  return true
}
