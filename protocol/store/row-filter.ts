import { ROW_FILTER_BYTES } from '../core/store-limits.ts'

/** Words of one block: all that is said of a key lies in one line of the processor's cache. */
const BLOCK_WORDS = 8

/**
 * Which keys a store certainly does not have (a Bloom filter in blocks). One that was added is
 * never denied, not even after its row was deleted; one that was not may be held by mistake.
 */
export class RowFilter {
  readonly #words: Uint32Array
  readonly #blocks: number

  constructor(bytes = ROW_FILTER_BYTES) {
    this.#blocks = Math.ceil(bytes / (BLOCK_WORDS * Uint32Array.BYTES_PER_ELEMENT))
    this.#words = new Uint32Array(this.#blocks * BLOCK_WORDS)
  }

  add(key: string): void {
    const hash = hashOf(key)
    const block = this.#blockOf(hash)
    for (let rest = mixed(~hash), bits = 4; bits > 0; rest >>>= 8, bits -= 1) {
      this.#words[block + (rest & 7)] = (this.#words[block + (rest & 7)] as number) | bitOf(rest)
    }
  }

  /** False: it was never added. */
  mayHold(key: string): boolean {
    const hash = hashOf(key)
    const block = this.#blockOf(hash)
    for (let rest = mixed(~hash), bits = 4; bits > 0; rest >>>= 8, bits -= 1) {
      if (((this.#words[block + (rest & 7)] as number) & bitOf(rest)) === 0) return false
    }
    return true
  }

  #blockOf(hash: number): number {
    return (hash % this.#blocks) * BLOCK_WORDS
  }
}

/** Three bits of a byte choose the word, the other five a bit of it. */
function bitOf(byte: number): number {
  return 1 << ((byte >>> 3) & 31)
}

/** FNV-1a over UTF-16 units, unsigned. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  }
  return mixed(hash)
}

/** Every bit of the outcome depends on every bit of `hash` (the end of MurmurHash3). */
function mixed(hash: number): number {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35)
  return (mix ^ (mix >>> 16)) >>> 0
}
