import type { DecodeOptions } from 'protons-runtime'
import { causeOf, MeshError } from '../core/errors.ts'
import { Refusal } from './fields.ts'

/** What generated code offers for one message. */
export interface Generated<Wire> {
  encode(message: Partial<Wire>): Uint8Array
  decode(bytes: Uint8Array, options?: DecodeOptions<Wire>): Wire
}

export type Limits<Wire> = NonNullable<DecodeOptions<Wire>['limits']>

export interface MessageShape<Domain, Wire> {
  /** For people, as in "sync request". */
  readonly what: string
  readonly generated: Generated<Wire>
  /** Most elements of each repeated field: a hostile message is refused while it is read. */
  readonly limits: Limits<Wire>
  readonly bytesMax: number
  /**
   * How other encodings of a value are refused. `value`, the default: by encoding the value again;
   * whatever is hashed needs that. `message`: by encoding again what generated code read, where
   * every field has one reading.
   */
  readonly canonicalBy?: 'value' | 'message'
  /** Both throw a Refusal for what may not be. */
  readonly toWire: (value: Domain) => Wire
  readonly fromWire: (message: Wire) => Domain
}

/**
 * Bytes of one message and its domain form.
 * `encode` and `decode` throw MESSAGE_INVALID and MESSAGE_TOO_LARGE, nothing else.
 */
export interface MessageCodec<Domain> {
  encode(value: Domain): Uint8Array
  /** `from` names the sender in an error. */
  decode(bytes: Uint8Array, from?: string): Domain
}

/** Who is named in what is wrong with a message that is not sent. */
export const US = 'this process'

export function messageCodec<Domain, Wire>(
  shape: MessageShape<Domain, Wire>
): MessageCodec<Domain> {
  const { what, generated, limits, bytesMax, toWire, fromWire, canonicalBy = 'value' } = shape
  return {
    encode: (value) => {
      try {
        return sized(generated.encode(toWire(value) as Partial<Wire>), what, bytesMax)
      } catch (error) {
        throw refusing(error, what, US)
      }
    },
    decode: (bytes, from = 'a peer') => {
      try {
        const message = generated.decode(sized(bytes, what, bytesMax), { limits })
        const value = fromWire(message)
        // Without this, two encodings of one value would have two hashes (and unknown fields pass).
        const whole = canonicalBy === 'value' ? toWire(value) : message
        const again = generated.encode(whole as Partial<Wire>)
        if (Buffer.compare(bytes, again) !== 0) throw new Refusal('encoding is not canonical')
        return value
      } catch (error) {
        throw refusing(error, what, from)
      }
    }
  }
}

/** Throws MESSAGE_TOO_LARGE. */
export function sized<Bytes extends Uint8Array>(bytes: Bytes, what: string, max: number): Bytes {
  if (bytes.length <= max) return bytes
  throw new MeshError('MESSAGE_TOO_LARGE', { what, bytes: bytes.length, max })
}

/** Whatever generated code or a check throws is a refusal of the message. */
export function refusing(error: unknown, what: string, peer: string): MeshError {
  if (error instanceof MeshError && error.code !== 'MESSAGE_INVALID') return error
  // A message within this one does not know who sent it.
  const inner = error instanceof MeshError ? error.facts['problem'] : causeOf(error)
  const problem = `${what}: ${inner}`
  return new MeshError('MESSAGE_INVALID', { peer, problem }, { cause: error })
}

/** Generated types know no `undefined`; generated code takes it for absent. */
export type Loose<T> = { [K in keyof T]: T[K] | undefined }

export function loose<T extends object>(message: Loose<T>): T {
  return message as T
}
