/**
 * Bytes asked of the engine at once. All of them live as long as any copy in them, so that this is
 * what one copy that is kept can hold beside those that are not: a witness keeps 50 000.
 */
export const SLAB_BYTES = 4_096
/** Above this a copy has memory of its own: little would fit beside it. */
const SHARED_BYTES_MAX = 2_048

/**
 * Copies of bytes that are kept. Asking the engine for memory costs more than a copy; in its own
 * pool, which messages share, each copy would hold whole buffers that were long sent.
 */
export class Slab {
  #free = new Uint8Array(0)

  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes
    if (length > SHARED_BYTES_MAX) return new Uint8Array(bytes)
    if (length > this.#free.length) this.#free = new Uint8Array(SLAB_BYTES)
    const copy = this.#free.subarray(0, length)
    copy.set(bytes)
    this.#free = this.#free.subarray(length)
    return copy
  }
}
