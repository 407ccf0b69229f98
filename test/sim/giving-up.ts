import type { ChangeResult } from '../../protocol/core/change.ts'
import type { SimProcess } from './process.ts'
import type { Scene } from './scene.ts'

/** What a change knows that found nobody to ask. */
export const NO_FACTS = {
  highestRound: 0,
  chosen: undefined,
  lagging: [],
  outstanding: [],
  refused: []
}

const GIVEN_UP: ChangeResult = { kind: 'unresolved', answered: 0, ambiguous: true, ...NO_FACTS }

/** One change that is under way. */
interface Flight {
  /** Place, actor and id of its op. */
  readonly intent: string
  readonly isDone: () => boolean
  /** Hears no more of it. */
  readonly end: (result: ChangeResult) => void
}

/**
 * Callers that give up what they have asked for, in the middle of a round, as an AbortSignal does
 * in production: a deadline comes, a request is closed, what asked for it stops.
 */
export class GivingUp {
  readonly #scene: Scene
  readonly #process: SimProcess
  readonly #intents = new Set<string>()
  /** Share of changes. */
  rate = 0

  constructor(scene: Scene, process: SimProcess) {
    this.#scene = scene
    this.#process = process
    process.onCrash(() => this.#intents.clear())
  }

  /** `again` begins another change of that register, before anything else does. */
  watch({ intent, isDone, end }: Flight, again: () => void): void {
    const { aside, profile } = this.#scene
    if (this.rate === 0 || aside.random() >= this.rate) return
    const isFollowed = aside.random() < 0.5
    this.#process.arm(aside.random() * profile.requestTimeoutMs, () => {
      if (isDone()) return
      this.#scene.count('change: given up')
      this.#intents.add(intent)
      if (isFollowed) again()
      end(GIVEN_UP)
    })
  }

  /** Hears how a later change of that intent ended. */
  note(intent: string, { kind }: ChangeResult): void {
    if (!this.#intents.has(intent) || kind === 'unresolved') return
    this.#intents.delete(intent)
    if (kind === 'same') this.#scene.count('change: given up, and chosen after all')
  }
}
