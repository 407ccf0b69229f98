import type { Random } from '../../protocol/core/ports.ts'

const UINT32_RANGE = 4_294_967_296

/** The same numbers for the same seed (mulberry32): a failing run can be played again. */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / UINT32_RANGE
  }

  id(bytes: number): string {
    return Array.from({ length: bytes }, () => {
      return Math.floor(this.next() * 256)
        .toString(16)
        .padStart(2, '0')
    }).join('')
  }

  /** A whole number from `least` to below `end`. */
  between(least: number, end: number): number {
    return least + Math.floor(this.next() * (end - least))
  }
}
