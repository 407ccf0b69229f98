import { DECODED_VALUE_BYTES_MAX, DECODED_VALUES_MAX, VALUE_BYTES_MAX } from '../core/limits.ts'
import type { Accepted, RegisterValue } from '../core/messages.ts'
import { BoundedMap } from './bounded-map.ts'
import { messageCodec } from './codec.ts'
import { bytesOf, hexOf, need, plain, SIGNATURE_BYTES } from './fields.ts'
import type * as wire from './generated/register.ts'
import { registerValues } from './register-tables.ts'
import { ballotFromWire, ballotToWire } from './scope-parts.ts'
import { sha256Hex } from './statement.ts'
import { VALUE_LIMITS, valueFromWire, valueToWire } from './value-parts.ts'

/** Bytes as first proposed, and their hash: both are asked for again and again. */
interface Spelled {
  readonly bytes: Uint8Array
  hash: string | undefined
}

const spelled = new WeakMap<RegisterValue, Spelled>()
const decoded = new BoundedMap<string, RegisterValue>(DECODED_VALUES_MAX)

const values = messageCodec<RegisterValue, wire.RegisterValue>({
  what: 'register value',
  generated: registerValues,
  limits: VALUE_LIMITS,
  bytesMax: VALUE_BYTES_MAX,
  canonicalBy: 'decoder',
  toWire: valueToWire,
  fromWire: valueFromWire,
  remember: (value, bytes) => spelled.set(value, { bytes, hash: undefined })
})

/** The value's only encoding. Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. */
export function encodeValue(value: RegisterValue): Uint8Array {
  return spelled.get(value)?.bytes ?? values.encode(value)
}

/**
 * Equal bytes may give the same object twice. Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE; `from`
 * names the sender in them.
 */
export function decodeValue(bytes: Uint8Array, from?: string): RegisterValue {
  if (bytes.length > DECODED_VALUE_BYTES_MAX) return values.decode(bytes, from)
  const hash = sha256Hex(bytes)
  const known = decoded.get(hash)
  if (known !== undefined) return known
  const value = values.decode(bytes, from)
  const kept = spelled.get(value)
  if (kept !== undefined) kept.hash = hash
  decoded.set(hash, value)
  return value
}

/** SHA-256 of the value's bytes, 64 hex digits. Throws as encodeValue does. */
export function hashValue(value: RegisterValue): string {
  const bytes = encodeValue(value)
  const kept = spelled.get(value)
  if (kept?.hash !== undefined) return kept.hash
  const hash = sha256Hex(bytes)
  if (kept !== undefined) kept.hash = hash
  // A proposer is shown its own value by three witnesses when it changes it the next time.
  if (bytes.length <= DECODED_VALUE_BYTES_MAX) decoded.set(hash, value)
  return hash
}

export function acceptedToWire(accepted: Accepted): wire.Accepted {
  return {
    ballot: ballotToWire(accepted.ballot),
    value: plain(encodeValue(accepted.value)),
    proposerSig: bytesOf(accepted.proposerSig, SIGNATURE_BYTES, 'proposerSig')
  }
}

export function acceptedFromWire(message: wire.Accepted | undefined): Accepted {
  const accepted = need(message, 'accepted')
  return {
    ballot: ballotFromWire(accepted.ballot),
    value: decodeValue(accepted.value),
    proposerSig: hexOf(accepted.proposerSig, SIGNATURE_BYTES, 'proposerSig')
  }
}
