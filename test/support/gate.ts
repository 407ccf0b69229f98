import { eventually } from './eventually.ts'

/** `dropped`: what was held is to be given up, as if it had never come. */
export type Passage = 'passed' | 'dropped'

/** Holds what matches while it is closed, so that a test can look at what is half done. */
export class Gate {
  #match: ((what: string) => boolean) | undefined
  readonly #held: ((passage: Passage) => void)[] = []

  /** Called by whoever may be held. */
  pass(what: string): Promise<Passage> {
    if (this.#match?.(what) !== true) return Promise.resolve('passed')
    return new Promise((resolve) => this.#held.push(resolve))
  }

  close(match: (what: string) => boolean): void {
    this.#match = match
  }

  get held(): number {
    return this.#held.length
  }

  /** Resolves once that many are held. */
  async reached(count = 1): Promise<void> {
    await eventually(`${count} held at a gate`, () => this.#held.length >= count, 30_000)
  }

  /** Lets go of what is held, and holds nothing more. */
  open(passage: Passage = 'passed'): void {
    this.#match = undefined
    for (const release of this.#held.splice(0)) release(passage)
  }
}
