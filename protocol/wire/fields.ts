import { isJobId, isPeerId, isRunId } from './ids.ts'

/*
 * One function per kind of field. Each checks, and where wire and domain differ also converts, in
 * both directions: what may not be received must not be sent either. All throw a Refusal, which
 * only codec.ts and field-codec.ts catch.
 */

/** Bytes of an operation's, a claim's and a store's id. */
export const ID_BYTES = 16
/** Bytes of the nonce of a process. */
export const BOOT_BYTES = 8
/** Bytes of a SHA-256. */
export const HASH_BYTES = 32
/** Bytes of an Ed25519 signature. */
export const SIGNATURE_BYTES = 64

/** A field that may not be so; `codec.ts` turns it into a MeshError. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}

export function refuse(field: string, problem: string): never {
  throw new Refusal(`${field} ${problem}`)
}

export function need<T>(value: T | undefined, field: string): T {
  if (value === undefined) refuse(field, 'is missing')
  return value
}

const HEX = /^[0-9a-f]*$/

/** Raw bytes as lower-case hex. */
export function hexOf(bytes: Uint8Array, size: number, field: string): string {
  if (bytes.length !== size) refuse(field, `has ${bytes.length} bytes instead of ${size}`)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** Lower-case hex as raw bytes; upper case is refused, since it would name the same id twice. */
export function bytesOf(hex: string, size: number, field: string): Uint8Array<ArrayBuffer> {
  if (hex.length !== size * 2 || !HEX.test(hex)) refuse(field, `is not ${size * 2} hex digits`)
  return Buffer.from(hex, 'hex')
}

export function hexOrNone(bytes: Uint8Array, size: number, field: string): string {
  return bytes.length === 0 ? '' : hexOf(bytes, size, field)
}

export function bytesOrNone(hex: string, size: number, field: string): Uint8Array<ArrayBuffer> {
  return hex === '' ? new Uint8Array(0) : bytesOf(hex, size, field)
}

/** The type that generated code asks for; nothing of ours lies in shared memory. */
export function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>
}

export function blob(bytes: Uint8Array, max: number, field: string): Uint8Array<ArrayBuffer> {
  if (bytes.length > max) refuse(field, `has ${bytes.length} bytes, at most ${max} are allowed`)
  return plain(bytes)
}

/** A copy: the buffer that a message came in would stay alive, or be used again. */
export function ownBlob(bytes: Uint8Array, max: number, field: string): Uint8Array {
  return copy(blob(bytes, max, field))
}

/** `slice` of a Buffer would share its memory. */
export function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

/** A whole number from `min` to `max`; beyond 2**53 two numbers would be one. */
export function count(
  value: number,
  field: string,
  max: number = Number.MAX_SAFE_INTEGER,
  min = 0
): number {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    refuse(field, `is ${value}, not a whole number from ${min} to ${max}`)
  }
  return value
}

export function optional<T, R>(value: T | undefined, map: (value: T) => R): R | undefined {
  return value === undefined ? undefined : map(value)
}

/** Bytes of UTF-8 that one character takes at most. */
export const CHARACTER_BYTES_MAX = 4

const LONE_SURROGATE = /[\ud800-\udfff]/u

/** At most `max` code points; a lone surrogate would be other text to another decoder. */
export function text(value: string, max: number, field: string): string {
  // A code point has at most two units: what is longer is not counted through.
  if (value.length > max && (value.length > 2 * max || [...value].length > max)) {
    refuse(field, `is too long, at most ${max} characters are allowed`)
  }
  if (LONE_SURROGATE.test(value)) refuse(field, 'is not well-formed Unicode')
  return value
}

/** As text, limited in bytes of UTF-8. */
export function textBytes(value: string, max: number, field: string): string {
  text(value, max, field)
  const bytes = Buffer.byteLength(value)
  if (bytes > max) refuse(field, `has ${bytes} bytes, at most ${max} are allowed`)
  return value
}

const CONTROL = /[\u0000-\u001f\u007f]/

/** One line of text without control characters, not empty. */
export function line(value: string, max: number, field: string): string {
  if (value === '') refuse(field, 'is empty')
  return lineOrNone(value, max, field)
}

export function lineOrNone(value: string, max: number, field: string): string {
  if (CONTROL.test(value)) refuse(field, 'has control characters')
  return text(value, max, field)
}

export function peerId(value: string, field: string): string {
  if (!isPeerId(value)) refuse(field, 'is not an Ed25519 peer id')
  return value
}

export function jobId(value: string, field = 'job id'): string {
  if (!isJobId(value)) refuse(field, 'is not a job id')
  return value
}

/** A run's or a job's. */
export function register(value: string): string {
  if (!isRunId(value) && !isJobId(value)) refuse('register', 'is not a run or job id')
  return value
}

/** At most `max` elements, each mapped. */
export function list<T, R>(
  values: readonly T[],
  max: number,
  field: string,
  map: (value: T, index: number) => R
): R[] {
  if (values.length > max) refuse(field, `has ${values.length} entries, at most ${max} are allowed`)
  return values.map(map)
}
