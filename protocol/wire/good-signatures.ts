import { SIGNATURES_KEPT_MAX } from '../core/limits.ts'
import { BoundedMap } from './bounded-map.ts'
import { verify } from './keys.ts'
import { signedBy } from './shared-signature.ts'
import { sha256Hex } from './statement.ts'

/** The whole triple: a good signature under another statement or of another peer proves nothing. */
const good = new BoundedMap<string, true>(SIGNATURES_KEPT_MAX)

/**
 * True when `peerId` signed `message`, alone or together with others; `signature` in hex digits. Of
 * one over many the root is what is verified, once for all of them, and remembered when good.
 */
export function isSigned(peerId: string, message: Uint8Array, signature: string): boolean {
  const signed = signedBy(message, signature)
  if (signed === undefined) return false
  const key = `${peerId} ${sha256Hex(signed.message)} ${signed.signature}`
  if (good.get(key) === true) return true
  if (!verify(peerId, signed.message, Buffer.from(signed.signature, 'hex'))) return false
  good.set(key, true)
  return true
}
