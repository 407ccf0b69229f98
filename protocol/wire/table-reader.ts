import { refuse } from './fields.ts'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Up to this many bytes a string is made here: a call of native code costs more. */
const SHORT_BYTES = 64
/** Groups of seven bits in the longest number. */
const GROUPS_MAX = 8

/** Reads the parts of a message from its start; none reads past `end`. */
export class TableReader {
  readonly #bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** True, and past it, where this tag comes next. */
  take(tag: number, end: number): boolean {
    if (this.at >= end || this.#bytes[this.at] !== tag) return false
    this.at += 1
    return true
  }

  /** A whole number in as few bytes as it takes; 0 only where that `isSpelled`. */
  number(end: number, max: number, isSpelled: boolean): number {
    let value = 0
    let unit = 1
    for (let group = 0; group < GROUPS_MAX && this.at < end; group += 1) {
      const byte = this.#bytes[this.at] as number
      this.at += 1
      value += (byte & 0x7f) * unit
      unit *= 0x80
      if (byte >= 0x80) continue
      if (byte === 0 && (group > 0 || !isSpelled)) refuse('number', 'is spelled another way')
      return value > max ? refuse('number', `is over ${max}`) : value
    }
    return refuse('number', 'is cut short, or too long')
  }

  /** In the bytes of the message: to be copied before they are used again. */
  blob(end: number, isSpelled: boolean): Uint8Array {
    const length = this.number(end, end, isSpelled)
    if (length > end - this.at) refuse('bytes', 'are cut short')
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  string(end: number, isSpelled: boolean): string {
    const length = this.number(end, end, isSpelled)
    if (length > end - this.at) refuse('text', 'is cut short')
    const from = this.at
    this.at += length
    if (length > SHORT_BYTES) return UTF8.decode(this.#bytes.subarray(from, this.at))
    let text = ''
    for (let at = from; at < this.at; at += 1) {
      const byte = this.#bytes[at] as number
      if (byte >= 0x80) return UTF8.decode(this.#bytes.subarray(from, this.at))
      text += String.fromCharCode(byte)
    }
    return text
  }
}
