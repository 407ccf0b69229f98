import { BALLOT_JUMP_MAX, ROUNDS_KEPT_MAX } from '../../core/limits.ts'
import { Lru } from '../bounds/lru.ts'

/**
 * The highest round that this process has used or heard of, by register and witness epoch. A number
 * is never lowered and never used twice: every attempt needs a ballot of its own (pitfalls 1 and
 * 2).
 */
export class RoundMemory {
  readonly #rounds: Lru<string, number>
  #floor = 0

  constructor(max = ROUNDS_KEPT_MAX) {
    this.#rounds = new Lru(max)
  }

  /** The first round of a new change. */
  next(name: string): number {
    return (this.#rounds.get(name) ?? this.#floor) + 1
  }

  note(name: string, round: number): void {
    const highest = Math.max(round, this.#rounds.get(name) ?? 0)
    const gone = this.#rounds.set(name, highest)
    // Whoever was forgotten starts above its old rounds, but within the reach of an empty register.
    if (gone !== undefined) this.#floor = Math.max(this.#floor, this.#capped(gone[1]))
  }

  #capped(round: number): number {
    return Math.min(round, BALLOT_JUMP_MAX / 2)
  }
}
