import { FAIR_LEASES_MAX, FAIR_WINDOW_MS } from './graph-limits.ts'

interface Used {
  readonly repository: string
  readonly fromMs: number
  readonly toMs: number
}

/**
 * How much of the mesh each repository has had lately: leases that this member saw begin and end,
 * within FAIR_WINDOW_MS. A member that has just started knows of none, and takes all for equal.
 */
export class Shares {
  #ended: Used[] = []

  /** A lease that is over; both times are wall clock milliseconds of this member. */
  ended(repository: string, fromMs: number, toMs: number): void {
    this.#ended.push({ repository, fromMs, toMs })
    if (this.#ended.length > FAIR_LEASES_MAX) this.#prune(toMs)
  }

  /** Milliseconds of leases in the window before `nowMs`, by repository. */
  usedMs(nowMs: number): ReadonlyMap<string, number> {
    const used = new Map<string, number>()
    for (const { repository, fromMs, toMs } of this.#ended) {
      const ms = Math.min(toMs, nowMs) - Math.max(fromMs, nowMs - FAIR_WINDOW_MS)
      if (ms > 0) used.set(repository, (used.get(repository) ?? 0) + ms)
    }
    return used
  }

  #prune(nowMs: number): void {
    const recent = this.#ended.filter(({ toMs }) => toMs > nowMs - FAIR_WINDOW_MS)
    this.#ended = recent.slice(-FAIR_LEASES_MAX / 2)
  }
}
