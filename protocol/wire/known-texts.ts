interface Known {
  readonly text: string
  /** ASCII, as the shapes of all ids are. */
  readonly bytes: Uint8Array
}

/** Bytes of the longest text that is kept, and looked at at all. */
const TEXT_BYTES_MAX = 64
/** Bytes at the end of a text that choose its slot. */
const MIXED_BYTES = 8

/**
 * Ids of one shape, which come again with every message: found by their bytes, so that each is
 * checked and made once, and has one string. `slots` is a power of two; where two ids share a slot
 * the later one takes it, so that nothing grows however many are shown.
 */
export class KnownTexts {
  readonly #slots: (Known | undefined)[]
  readonly #isOne: (text: string) => boolean

  constructor(slots: number, isOne: (text: string) => boolean) {
    this.#slots = new Array<Known | undefined>(slots).fill(undefined)
    this.#isOne = isOne
  }

  /** The id that these bytes spell; undefined where they spell none. */
  read(bytes: Buffer, from: number, to: number): string | undefined {
    if (to - from > TEXT_BYTES_MAX) return undefined
    let mix = 0
    for (let at = Math.max(from, to - MIXED_BYTES); at < to; at += 1) {
      mix = (mix * 31 + (bytes[at] as number)) | 0
    }
    const known = this.#slots[this.#slotOf(mix)]
    if (known !== undefined && isSame(known.bytes, bytes, from, to)) return known.text
    return this.#keep(bytes.toString('latin1', from, to), mix)?.text
  }

  /** The id's bytes, not to be changed; undefined for a text that is no such id. */
  bytesOf(text: string): Uint8Array | undefined {
    if (text.length > TEXT_BYTES_MAX) return undefined
    let mix = 0
    for (let at = Math.max(0, text.length - MIXED_BYTES); at < text.length; at += 1) {
      mix = (mix * 31 + text.charCodeAt(at)) | 0
    }
    const known = this.#slots[this.#slotOf(mix)]
    return known?.text === text ? known.bytes : this.#keep(text, mix)?.bytes
  }

  #slotOf(mix: number): number {
    return (mix ^ (mix >>> 15)) & (this.#slots.length - 1)
  }

  #keep(text: string, mix: number): Known | undefined {
    if (!this.#isOne(text)) return undefined
    const known = { text, bytes: Uint8Array.from(Buffer.from(text, 'latin1')) }
    this.#slots[this.#slotOf(mix)] = known
    return known
  }
}

function isSame(known: Uint8Array, bytes: Buffer, from: number, to: number): boolean {
  if (known.length !== to - from) return false
  for (let at = 0; at < known.length; at += 1) if (known[at] !== bytes[from + at]) return false
  return true
}
