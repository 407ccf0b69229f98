import type { DrmClient, EngineTime } from './drm-fdinfo.ts'

interface Before {
  readonly atMs: number
  readonly engines: ReadonlyMap<string, EngineTime>
}

const NS_PER_MS = 1_000_000

/** How busy clients of GPUs keep them, from what the kernel has counted since it was asked last. */
export class DrmTimes {
  #before: ReadonlyMap<string, Before> = new Map()

  /**
   * Percent of the time by the client's key, all kinds of engines together. Of one that is seen for
   * the first time it is not known: what it did before nobody asks for. `nowMs` of a steady clock.
   */
  take(clients: readonly DrmClient[], nowMs: number): ReadonlyMap<string, number> {
    const busy = new Map<string, number>()
    const seen = new Map<string, Before>()
    for (const { key, engines, percent } of clients) {
      const before = this.#before.get(key)
      if (percent !== undefined) busy.set(key, percent)
      else if (before !== undefined) busy.set(key, busyBetween(before, engines, nowMs))
      seen.set(key, { atMs: nowMs, engines })
    }
    this.#before = seen
    return busy
  }
}

function busyBetween(
  { atMs, engines: before }: Before,
  engines: ReadonlyMap<string, EngineTime>,
  nowMs: number
): number {
  let sum = 0
  for (const [kind, now] of engines) {
    const then = before.get(kind)
    if (then === undefined) continue
    const spent = Number(now.spent - then.spent)
    const passed =
      now.total === undefined || then.total === undefined
        ? (nowMs - atMs) * NS_PER_MS
        : Number(now.total - then.total)
    // A counter that went back has begun anew: of this while nothing is known.
    if (spent > 0 && passed > 0) sum += (100 * spent) / (passed * now.capacity)
  }
  return Math.min(100, sum)
}
