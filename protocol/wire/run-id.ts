import type { RunOrigin } from '../core/run.ts'
import { sha256, statement } from './statement.ts'

const DOMAIN = 'runner-mesh.run.v1'
/** Crockford's base 32: no I, L, O and U, so that an id can be read out. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const BYTES = 16
const BITS_PER_CHARACTER = 5

/**
 * The id of the run that an event starts (lease-protocol 4.1): by meaning, so that a redelivery, a
 * second gateway and the reconcile poll give the same run. 26 characters.
 */
export function runIdOfOrigin(origin: RunOrigin): string {
  const { forgeHost, repositoryId, event, ref, commit, number, action, rerunNonce } = origin
  const fields = [forgeHost, repositoryId, event, ref, commit, number, action, rerunNonce]
  return crockford32(sha256(statement(DOMAIN, fields)).subarray(0, BYTES))
}

/** Five bits a character from the first bit on, the last filled up with zeros as in RFC 4648. */
export function crockford32(bytes: Uint8Array): string {
  let text = ''
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = held * 256 + byte
    bits += 8
    while (bits >= BITS_PER_CHARACTER) {
      bits -= BITS_PER_CHARACTER
      const unit = 2 ** bits
      text += ALPHABET.charAt(Math.floor(held / unit))
      held %= unit
    }
  }
  return bits === 0 ? text : text + ALPHABET.charAt(held * 2 ** (BITS_PER_CHARACTER - bits))
}
