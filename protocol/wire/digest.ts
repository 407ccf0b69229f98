import type { Digest } from '../core/ports.ts'
import { sha256Hex } from './statement.ts'
import { hashValue } from './value-codec.ts'

/** The Digest port. `hash` throws MESSAGE_INVALID for a value that has no encoding. */
export function digest(): Digest {
  return { hash: hashValue, text: sha256Hex }
}
