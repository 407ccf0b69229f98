import { createWriteStream, type WriteStream } from 'node:fs'

export interface Violation {
  readonly atMs: number
  readonly what: string
  readonly facts: Readonly<Record<string, unknown>>
}

/** All that was done and seen, one JSON line each, with milliseconds since the run began. */
export class History {
  readonly violations: Violation[] = []
  readonly #startedMs = performance.now()
  readonly #file: WriteStream
  readonly #tell: (text: string) => void

  /** `tell` says a violation at once: whoever watches need not wait for the end. */
  constructor(path: string, tell: (text: string) => void) {
    this.#file = createWriteStream(path)
    this.#tell = tell
  }

  get nowMs(): number {
    return Math.round(performance.now() - this.#startedMs)
  }

  note(what: string, facts: Readonly<Record<string, unknown>> = {}): void {
    this.#file.write(`${JSON.stringify({ atMs: this.nowMs, what, ...facts })}\n`)
  }

  violation(what: string, facts: Readonly<Record<string, unknown>>): void {
    this.violations.push({ atMs: this.nowMs, what, facts })
    this.note(`VIOLATION: ${what}`, facts)
    this.#tell(`VIOLATION: ${what} ${JSON.stringify(facts)}`)
  }

  async close(): Promise<void> {
    await new Promise<void>((done) => this.#file.end(done))
  }
}
