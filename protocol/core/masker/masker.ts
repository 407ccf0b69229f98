import { type Automaton, automatonOf } from './automaton.ts'
import { variantsOf } from './variants.ts'

/** What stands in a text where a secret was. */
export const MASK = '***'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const MASK_BYTES = encoder.encode(MASK)
const LF = 10
const NOTHING = new Uint8Array(0)

/**
 * Masks the values of secrets in what is written, in every spelling of `variantsOf`. Hygiene and no
 * boundary: who wants to get a value out finds a spelling that is not in the list.
 */
export class Masker {
  readonly #automaton: Automaton | undefined

  constructor(values: readonly Uint8Array[]) {
    const patterns = values.flatMap((value) => variantsOf(value))
    this.#automaton = patterns.length === 0 ? undefined : automatonOf(patterns)
  }

  /** For a text that is complete. */
  text(text: string): string {
    if (this.#automaton === undefined) return text
    const stream = new MaskStream(this.#automaton)
    const parts = [stream.push(encoder.encode(text)), stream.finish()]
    return decoder.decode(joined(parts))
  }

  /** For one that comes in pieces. */
  stream(): MaskStream {
    return new MaskStream(this.#automaton)
  }
}

interface Span {
  start: number
  readonly end: number
}

/**
 * One stream of bytes: chunks may end anywhere. Only what may still turn out to be a secret is kept
 * back. Line ends inside a secret stay, so that its text has as many lines masked as bare.
 */
export class MaskStream {
  readonly #automaton: Automaton | undefined
  #state = 0
  /** Kept back, with the secrets that are known in it. */
  #held: Uint8Array = NOTHING
  #spans: Span[] = []
  /** The last that was given out stands for a secret: what goes on with it needs no second mask. */
  #masked = false

  constructor(automaton: Automaton | undefined) {
    this.#automaton = automaton
  }

  push(chunk: Uint8Array): Uint8Array {
    const automaton = this.#automaton
    if (automaton === undefined) return chunk
    const from = this.#held.length
    const text = from === 0 ? chunk : joined([this.#held, chunk])
    this.#scan(automaton, text, from)
    const end = this.#known(text.length - (automaton.depths[this.#state] ?? 0))
    const shown = this.#show(text, end)
    // Its own copy: the caller may use the chunk's memory again.
    this.#held = text.slice(end)
    return shown
  }

  /** What was kept back: nothing more comes that could make a secret of it. */
  finish(): Uint8Array {
    const shown = this.#show(this.#held, this.#held.length)
    this.#held = NOTHING
    this.#state = 0
    return shown
  }

  #scan(automaton: Automaton, text: Uint8Array, from: number): void {
    const { rows, rowCount, ends } = automaton
    let state = this.#state
    for (let at = from; at < text.length; at += 1) {
      const byte = text[at] as number
      state = state < rowCount ? (rows[(state << 8) | byte] as number) : automaton.next(state, byte)
      const length = ends[state] as number
      if (length > 0) this.#mark(at + 1 - length, at + 1)
    }
    this.#state = state
  }

  /** Up to where it is known what others may see: what is masked already is so in any case. */
  #known(open: number): number {
    const last = this.#spans.at(-1)
    // What may still begin a longer secret can lie before all that is kept: it is masked already.
    return Math.max(0, open, last !== undefined && last.start <= open ? last.end : 0)
  }

  /** Ends only grow, starts may go back behind those of spans before. */
  #mark(start: number, end: number): void {
    let first = start
    for (let last = this.#spans.at(-1); last !== undefined; last = this.#spans.at(-1)) {
      if (last.end < first) break
      first = Math.min(first, last.start)
      this.#spans.pop()
    }
    this.#spans.push({ start: first, end })
  }

  /** `text` up to `end` as others may see it; spans beyond stay, counted from there. */
  #show(text: Uint8Array, end: number): Uint8Array {
    if (this.#spans.length === 0) {
      if (end > 0) this.#masked = false
      return text.subarray(0, end)
    }
    const parts: Uint8Array[] = []
    const later: Span[] = []
    let at = 0
    for (const span of this.#spans) {
      const start = Math.max(0, Math.min(span.start, end))
      const stop = Math.min(span.end, end)
      if (start > at) this.#bare(parts, text.subarray(at, start))
      if (stop > start) this.#cover(parts, text.subarray(start, stop))
      at = Math.max(at, stop)
      if (span.end > end) later.push({ start: Math.max(0, span.start - end), end: span.end - end })
    }
    if (end > at) this.#bare(parts, text.subarray(at, end))
    this.#spans = later
    return joined(parts)
  }

  #bare(parts: Uint8Array[], bytes: Uint8Array): void {
    parts.push(bytes)
    this.#masked = false
  }

  #cover(parts: Uint8Array[], bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 1) {
      if (bytes[at] === LF) this.#bare(parts, bytes.subarray(at, at + 1))
      else if (!this.#masked) {
        parts.push(MASK_BYTES)
        this.#masked = true
      }
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
