import type { LocalClock, Timeline } from '../support/timeline.ts'

/** Some day, so that a wall clock that is set back stays above 0. */
export const WALL_MS = 1_700_000_000_000

/**
 * One process of one host: it dies, stands still, and comes back with nothing in memory. The host
 * and its clock go on without it.
 */
export class SimProcess {
  readonly peerId: string
  readonly clock: LocalClock
  readonly #timeline: Timeline
  readonly #onStart: (() => void)[] = []
  readonly #onCrash: (() => void)[] = []
  /** Nonce of this life; '' while there is none. */
  boot = ''
  /** What came while it stood still, in that order: nothing that comes later may overtake it. */
  #held: { readonly boot: string; readonly task: () => void }[] = []
  #isCatchingUp = false
  #pausedUntilMs = 0
  /** Of its wall clock, which somebody may set to anything. */
  wallOffsetMs = 0

  constructor(peerId: string, timeline: Timeline, driftRate: number) {
    this.peerId = peerId
    this.#timeline = timeline
    this.clock = timeline.clock(driftRate)
  }

  get isAlive(): boolean {
    return this.boot !== ''
  }

  get pausedUntilMs(): number {
    return this.#pausedUntilMs
  }

  get nowMs(): number {
    return this.clock.localMs()
  }

  get wallMs(): number {
    return WALL_MS + this.#timeline.nowMs + this.wallOffsetMs
  }

  onStart(task: () => void): void {
    this.#onStart.push(task)
  }

  onCrash(task: () => void): void {
    this.#onCrash.push(task)
  }

  start(): void {
    if (this.isAlive) return
    this.boot = this.#timeline.id()
    this.#pausedUntilMs = 0
    for (const task of this.#onStart) task()
  }

  crash(): void {
    if (!this.isAlive) return
    this.boot = ''
    this.#held = []
    for (const task of this.#onCrash) task()
  }

  pause(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#timeline.nowMs + ms)
  }

  /** Whoever stopped it lets it go on, not before `atMs`. */
  resume(atMs: number): void {
    this.#pausedUntilMs = Math.max(atMs, this.#timeline.nowMs)
    if (this.#held.length > 0) this.#wake()
  }

  /** Runs `task` in this life only: now, or when the process runs again. */
  run(boot: string, task: () => void): void {
    if (boot === '' || boot !== this.boot) return
    const isBehind = this.#held.length > 0 && !this.#isCatchingUp
    if (this.#pausedUntilMs <= this.#timeline.nowMs && !isBehind) {
      task()
      return
    }
    this.#held.push({ boot, task })
    if (this.#held.length === 1) this.#wake()
  }

  #wake(): void {
    this.#timeline.at(this.#pausedUntilMs, () => {
      if (this.#pausedUntilMs > this.#timeline.nowMs) this.#wake()
      else this.#catchUp()
    })
  }

  #catchUp(): void {
    this.#isCatchingUp = true
    while (this.#pausedUntilMs <= this.#timeline.nowMs) {
      const next = this.#held.shift()
      if (next === undefined) break
      if (next.boot === this.boot) next.task()
    }
    this.#isCatchingUp = false
    if (this.#held.length > 0) this.#wake()
  }

  /** After `ms` of the host's own clock; the returned function calls it off. */
  arm(ms: number, task: () => void): () => void {
    const { boot } = this
    let isOff = false
    const dueMs = this.nowMs + Math.max(0, ms)
    const wait = (): void => {
      this.#timeline.at(this.clock.trueMs(dueMs), () => {
        this.run(boot, () => {
          if (isOff) return
          // Its clock stood still meanwhile.
          if (this.nowMs < dueMs - 1) wait()
          else task()
        })
      })
    }
    wait()
    return () => {
      isOff = true
    }
  }
}
