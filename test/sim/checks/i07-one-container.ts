import type { Checker, SimEvent } from '../events.ts'
import { Sleep } from './sleep.ts'

interface Running {
  readonly host: string
  readonly job: string
  readonly epoch: number
}

type Begun = Extract<SimEvent, { readonly kind: 'user_code' }>

/**
 * I7: what a container runs is over before its deadline plus the kill budget; hence one container
 * a job. V6 is the same said of the end: none is older anywhere. A deadline that has come is never
 * put off. What was suspended past its deadline runs nothing, and is over when its host has woken
 * for as long; a host whose clock stood still is beyond the promise.
 */
export function checkI7(killBudgetMs: number): Checker {
  const containers = new Containers(killBudgetMs)
  return (event) => {
    containers.sleep.see(event)
    if (event.kind === 'deadline') return containers.putOff(event)
    if (event.kind === 'ends') containers.running.delete(event.claimId)
    const twice = event.kind === 'user_code' ? containers.begin(event) : undefined
    return twice ?? containers.tooOld(event.atMs)
  }
}

class Containers {
  readonly sleep = new Sleep()
  readonly running = new Map<string, Running>()
  readonly #deadlines = new Map<string, number>()
  readonly #killBudgetMs: number

  constructor(killBudgetMs: number) {
    this.#killBudgetMs = killBudgetMs
  }

  putOff(event: Extract<SimEvent, { readonly kind: 'deadline' }>): string | undefined {
    const { claimId, untilMs, atMs, host } = event
    const beforeMs = this.#deadlines.get(claimId) ?? Number.POSITIVE_INFINITY
    this.#deadlines.set(claimId, untilMs)
    const one = this.running.get(claimId)
    // A hair: clocks are computed, not read.
    if (one === undefined || atMs <= beforeMs + 1 || this.sleep.isLagging(host)) return
    return `I7: the deadline of epoch ${one.epoch} of ${one.job} is put off after it has come`
  }

  begin({ host, job, epoch, claimId, untilMs, atMs }: Begun): string | undefined {
    const others = [...this.running].filter(([id, one]) => {
      return one.job === job && !this.#isExcused(id, one, atMs)
    })
    this.running.set(claimId, { host, job, epoch })
    this.#deadlines.set(claimId, untilMs)
    const [other] = others
    // Begun by a call that its host slept on, past its deadline: its guard is just about to look.
    const isOver = this.#isExcused(claimId, { host, job, epoch }, atMs)
    if (other === undefined || isOver || this.sleep.isLagging(host)) return
    return `I7: two containers of ${job}, of epochs ${other[1].epoch} and ${epoch}`
  }

  tooOld(atMs: number): string | undefined {
    for (const [claimId, one] of this.running) {
      if (atMs <= (this.#deadlines.get(claimId) ?? 0) + this.#killBudgetMs) continue
      if (this.#isExcused(claimId, one, atMs)) continue
      return `I7: the container of epoch ${one.epoch} of ${one.job} outlives its deadline`
    }
    return
  }

  #isExcused(claimId: string, { host }: Running, atMs: number): boolean {
    const wokeMs = this.sleep.wokeMs(host)
    const slept =
      wokeMs > (this.#deadlines.get(claimId) ?? 0) && atMs <= wokeMs + this.#killBudgetMs
    return slept || this.sleep.isLagging(host)
  }
}
