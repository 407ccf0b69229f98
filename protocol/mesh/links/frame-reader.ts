import { MeshError } from '../../core/errors.ts'
import { FRAME_BYTES_MAX } from '../../core/limits.ts'
import { FRAME_OVERHEAD_BYTES } from '../../wire/frame.ts'

/** Bytes of one frame on a stream. */
export const FRAME_WIRE_BYTES_MAX = FRAME_BYTES_MAX + FRAME_OVERHEAD_BYTES

/** Bytes of the longest length prefix: 4 times 7 bits are enough, a fifth byte is an attack. */
const PREFIX_BYTES_MAX = 4
/** Bytes first set aside for a frame that comes in parts; doubled as it really arrives. */
const HOLD_BYTES_MIN = 4_096
const NOTHING = new Uint8Array(0)

/** Cuts what a stream delivers into frames: a length as a varint, then that many bytes. */
export class FrameReader {
  readonly #peer: string
  /** Length that is still being read: its bits so far and how many bytes they came in. */
  #prefix = 0
  #prefixBytes = 0
  /** Length of the frame that is being read; undefined between two frames. */
  #need: number | undefined
  #held: Uint8Array = NOTHING
  #heldBytes = 0

  constructor(peer: string) {
    this.#peer = peer
  }

  /**
   * The frames that this chunk completes; they may share its memory. Throws MESSAGE_TOO_LARGE or
   * MESSAGE_INVALID on a wrong length, after which the reader must not be used.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    let at = 0
    while (at < chunk.length) {
      at =
        this.#need === undefined
          ? this.#readPrefix(chunk, at)
          : this.#readBody(chunk, at, this.#need, frames)
    }
    return frames
  }

  #readPrefix(chunk: Uint8Array, from: number): number {
    let at = from
    while (at < chunk.length) {
      const byte = chunk[at] ?? 0
      at += 1
      this.#prefix += (byte & 0x7f) << (7 * this.#prefixBytes)
      this.#prefixBytes += 1
      if (byte < 0x80) {
        this.#endPrefix(byte)
        return at
      }
      if (this.#prefixBytes === PREFIX_BYTES_MAX) throw this.#invalid('a length that never ends')
    }
    return at
  }

  #endPrefix(lastByte: number): void {
    const bytes = this.#prefix
    // One spelling only: two would let two readers disagree on where a frame ends.
    if (lastByte === 0 && this.#prefixBytes > 1) throw this.#invalid('a length with spare bytes')
    if (bytes === 0) throw this.#invalid('an empty frame')
    // Before a byte of it is kept: a length is cheap to claim and memory is not.
    if (bytes > FRAME_WIRE_BYTES_MAX) {
      const facts = { what: `a frame of ${this.#peer}`, bytes, max: FRAME_WIRE_BYTES_MAX }
      throw new MeshError('MESSAGE_TOO_LARGE', facts)
    }
    this.#need = bytes
    this.#prefix = 0
    this.#prefixBytes = 0
  }

  #readBody(chunk: Uint8Array, at: number, need: number, frames: Uint8Array[]): number {
    if (this.#heldBytes === 0 && chunk.length - at >= need) {
      frames.push(chunk.subarray(at, at + need))
      this.#need = undefined
      return at + need
    }
    const part = chunk.subarray(at, at + need - this.#heldBytes)
    this.#hold(part, need)
    if (this.#heldBytes === need) {
      frames.push(this.#held.subarray(0, need))
      this.#need = undefined
      this.#held = NOTHING
      this.#heldBytes = 0
    }
    return at + part.length
  }

  /**
   * Copied into one growing buffer: a frame that drips in byte by byte must not cost an object
   * each.
   */
  #hold(part: Uint8Array, need: number): void {
    const bytes = this.#heldBytes + part.length
    if (bytes > this.#held.length) {
      const grown = new Uint8Array(
        Math.min(need, Math.max(bytes, this.#held.length * 2, HOLD_BYTES_MIN))
      )
      grown.set(this.#held.subarray(0, this.#heldBytes))
      this.#held = grown
    }
    this.#held.set(part, this.#heldBytes)
    this.#heldBytes = bytes
  }

  #invalid(problem: string): MeshError {
    return new MeshError('MESSAGE_INVALID', { peer: this.#peer, problem })
  }
}
