import { DECODED_VALUE_BYTES_MAX, DECODED_VALUES_MAX, VALUE_BYTES_MAX } from '../core/limits.ts'
import type { Accepted, RegisterValue } from '../core/messages.ts'
import { fieldCodec } from './field-codec.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { Recent } from './recent.ts'
import { readBallot, writeBallot } from './scope-parts.ts'
import { readSignature, writeSignature } from './shared-signature.ts'
import { Slab } from './slab.ts'
import { sha256Hex } from './statement.ts'
import { readValue, writeValue } from './value-parts.ts'

/** Bytes as first proposed, and their hash: both are asked for again and again. */
interface Spelled {
  readonly bytes: Uint8Array
  hash: string | undefined
}

/** Of a value's bytes, where its version and what was before it are spelled. */
const MIXED_FROM = 24
const MIXED_BYTES = 32

const spelled = new WeakMap<RegisterValue, Spelled>()
/** By a few of their bytes, so that all are compared with one other value at most. */
const decoded = new Recent<RegisterValue>(DECODED_VALUES_MAX)

/** The buffer that a message lies in is larger, and is used again. */
const slab = new Slab()

const values = fieldCodec<RegisterValue>({
  what: 'register value',
  bytesMax: VALUE_BYTES_MAX,
  read: readValue,
  write: writeValue
})

/** The value's only encoding. Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. */
export function encodeValue(value: RegisterValue): Uint8Array {
  return spellingOf(value).bytes
}

/**
 * Equal bytes may give the same object twice. Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE; `from`
 * names the sender in them.
 */
export function decodeValue(bytes: Uint8Array, from?: string): RegisterValue {
  if (bytes.length > DECODED_VALUE_BYTES_MAX) return remember(values.decode(bytes, from), bytes)
  const key = mix(bytes)
  const known = decoded.get(key)
  if (known !== undefined && Buffer.compare(encodeValue(known), bytes) === 0) return known
  const value = remember(values.decode(bytes, from), bytes)
  decoded.set(key, value)
  return value
}

/** SHA-256 of the value's bytes, 64 hex digits. Throws as encodeValue does. */
export function hashValue(value: RegisterValue): string {
  const spelling = spellingOf(value)
  if (spelling.hash !== undefined) return spelling.hash
  const { bytes } = spelling
  spelling.hash = sha256Hex(bytes)
  // A proposer is shown its own value by three witnesses when it changes it the next time.
  if (bytes.length <= DECODED_VALUE_BYTES_MAX) decoded.set(mix(bytes), value)
  return spelling.hash
}

export function writeAccepted(writer: FieldWriter, accepted: Accepted): void {
  writeSignature(writer, 3, 'proposerSig', accepted.proposerSig)
  writer.bytes(2, encodeValue(accepted.value))
  writer.message(1, accepted.ballot, writeBallot)
}

export function readAccepted(reader: FieldReader): Accepted {
  return {
    ballot: reader.message(1, 'ballot', readBallot),
    value: decodeValue(reader.bytes(2, 'value')),
    proposerSig: readSignature(reader, 3, 'proposerSig')
  }
}

function spellingOf(value: RegisterValue): Spelled {
  const known = spelled.get(value)
  if (known !== undefined) return known
  const spelling = { bytes: slab.copy(values.encode(value)), hash: undefined }
  spelled.set(value, spelling)
  return spelling
}

/** A value that came in is never encoded: its bytes are those. */
function remember(value: RegisterValue, bytes: Uint8Array): RegisterValue {
  spelled.set(value, { bytes: slab.copy(bytes), hash: undefined })
  return value
}

/** The same for the same bytes; values of one version that differ only in the middle collide. */
function mix(bytes: Uint8Array): number {
  let mixed = bytes.length
  const until = Math.min(MIXED_FROM + MIXED_BYTES, bytes.length)
  for (let at = MIXED_FROM; at < until; at += 1) mixed = step(mixed, bytes[at] as number)
  for (let at = Math.max(0, bytes.length - MIXED_BYTES); at < bytes.length; at += 1) {
    mixed = step(mixed, bytes[at] as number)
  }
  return mixed
}

/** FNV-1a. */
function step(mixed: number, byte: number): number {
  return Math.imul(mixed ^ byte, 0x01_00_01_93)
}
