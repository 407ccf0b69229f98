import type { DecodeOptions } from 'protons-runtime'
import { causeOf, MeshError } from '../core/errors.ts'
import { copy, Refusal } from './fields.ts'

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
   * every field has one reading. `decoder`: `generated.decode` refuses them itself.
   */
  readonly canonicalBy?: 'value' | 'message' | 'decoder'
  /** Both throw a Refusal for what may not be. */
  readonly toWire: (value: Domain) => Wire
  readonly fromWire: (message: Wire) => Domain
  /** Called with every value and its bytes, which belong to the callee. */
  readonly remember?: (value: Domain, bytes: Uint8Array) => void
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

const US = 'this process'

export function messageCodec<Domain, Wire>(
  shape: MessageShape<Domain, Wire>
): MessageCodec<Domain> {
  const { what, generated, limits, bytesMax, toWire, fromWire, remember } = shape
  const { canonicalBy = 'value' } = shape
  const checkSize = (bytes: Uint8Array): void => {
    if (bytes.length <= bytesMax) return
    throw new MeshError('MESSAGE_TOO_LARGE', { what, bytes: bytes.length, max: bytesMax })
  }
  return {
    encode: (value) => {
      const bytes = guarded(what, US, () => generated.encode(toWire(value) as Partial<Wire>))
      checkSize(bytes)
      remember?.(value, bytes)
      return bytes
    },
    decode: (bytes, from = 'a peer') => {
      checkSize(bytes)
      return guarded(what, from, () => {
        const message = generated.decode(bytes, { limits })
        const value = fromWire(message)
        if (canonicalBy === 'decoder') {
          // A copy of those that are kept: they lie in a larger buffer.
          remember?.(value, copy(bytes))
          return value
        }
        // Without this, two encodings of one value would have two hashes (and unknown fields pass).
        const whole = canonicalBy === 'value' ? toWire(value) : message
        const again = generated.encode(whole as Partial<Wire>)
        if (Buffer.compare(bytes, again) !== 0) throw new Refusal('encoding is not canonical')
        remember?.(value, again)
        return value
      })
    }
  }
}

/** Whatever generated code or a check throws is a refusal of the message. */
function guarded<T>(what: string, peer: string, task: () => T): T {
  try {
    return task()
  } catch (error) {
    if (error instanceof MeshError && error.code !== 'MESSAGE_INVALID') throw error
    // A message within this one does not know who sent it.
    const inner = error instanceof MeshError ? error.facts['problem'] : causeOf(error)
    const problem = `${what}: ${inner}`
    throw new MeshError('MESSAGE_INVALID', { peer, problem }, { cause: error })
  }
}

/** Generated types know no `undefined`; generated code takes it for absent. */
export type Loose<T> = { [K in keyof T]: T[K] | undefined }

export function loose<T extends object>(message: Loose<T>): T {
  return message as T
}
