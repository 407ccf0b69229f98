import { SIGNED_TOGETHER_MAX } from '../core/signature-limits.ts'
import { HASH_BYTES, SIGNATURE_BYTES } from './fields.ts'

/** Bytes before the hashes of a shared signature. */
const HEAD_BYTES = SIGNATURE_BYTES + 1
const DEPTH_MAX = Math.log2(SIGNED_TOGETHER_MAX)

/** A signature in its parts; of a plain one `depth` is 0, and it has no way. */
export interface Proof {
  /** 128 hex digits: over the statement itself, or over the root of `depth` levels. */
  readonly root: string
  readonly depth: number
  readonly place: number
  /** The hash beside the way at each level, from the leaf up. */
  readonly way: Uint8Array
}

/** Undefined for what has no form of a signature. */
export function proofOf(signature: string): Proof | undefined {
  const bytes = Buffer.from(signature, 'hex')
  if (bytes.length * 2 !== signature.length) return undefined
  if (bytes.length === SIGNATURE_BYTES) {
    return { root: signature, depth: 0, place: 0, way: bytes.subarray(SIGNATURE_BYTES) }
  }
  const depth = depthOf(bytes.length)
  const place = bytes[SIGNATURE_BYTES] ?? 0
  // Otherwise one statement would have several signatures, by bits that nobody reads.
  if (depth === undefined || place >= 2 ** depth) return undefined
  const root = signature.slice(0, 2 * SIGNATURE_BYTES)
  return { root, depth, place, way: bytes.subarray(HEAD_BYTES) }
}

export function isSignatureSize(bytes: number): boolean {
  return bytes === SIGNATURE_BYTES || depthOf(bytes) !== undefined
}

/** Levels above the leaves of a shared signature of that many bytes. */
function depthOf(size: number): number | undefined {
  const depth = (size - HEAD_BYTES) / HASH_BYTES
  return Number.isInteger(depth) && depth >= 1 && depth <= DEPTH_MAX ? depth : undefined
}
