import { SIGNATURES_KEPT_MAX } from '../core/limits.ts'
import { SIGNED_TREES_KEPT_MAX } from '../core/signature-limits.ts'
import { BoundedMap } from './bounded-map.ts'
import { verify } from './keys.ts'
import { signedBy } from './shared-signature.ts'
import { type Proof, proofOf } from './signature-proof.ts'
import { SignedTree } from './signed-tree.ts'
import { sha256Hex } from './statement.ts'

/** The whole triple: a good signature under another statement or of another peer proves nothing. */
const good = new BoundedMap<string, true>(SIGNATURES_KEPT_MAX)
/** By the peer and the signature of the root. */
const trees = new BoundedMap<string, SignedTree>(SIGNED_TREES_KEPT_MAX)

/**
 * True when `peerId` signed `message`, alone or together with others; `signature` in hex digits. Of
 * one over many the root is what is verified, once for all of them, and remembered when good.
 */
export function isSigned(peerId: string, message: Uint8Array, signature: string): boolean {
  const proof = proofOf(signature)
  if (proof === undefined) return false
  if (proof.depth === 0) return isVerified(peerId, message, proof)
  const name = `${peerId} ${proof.root}`
  if (trees.get(name)?.holds(message, proof) === true) return true
  if (!isVerified(peerId, message, proof)) return false
  trees.set(name, new SignedTree(message, proof))
  return true
}

function isVerified(peerId: string, message: Uint8Array, proof: Proof): boolean {
  const signed = signedBy(message, proof)
  const key = `${peerId} ${sha256Hex(signed.message)} ${signed.signature}`
  if (good.get(key) === true) return true
  if (!verify(peerId, signed.message, Buffer.from(signed.signature, 'hex'))) return false
  good.set(key, true)
  return true
}
