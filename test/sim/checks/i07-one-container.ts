import type { Checker } from '../events.ts'

interface Running {
  readonly job: string
  readonly epoch: number
}

/**
 * I7: what a container runs is over before its deadline plus the kill budget; hence one container
 * a job. V6 is the same said of the end: none is older anywhere.
 */
export function checkI7(killBudgetMs: number): Checker {
  const running = new Map<string, Running>()
  const deadlines = new Map<string, number>()
  return (event) => {
    if (event.kind === 'deadline') {
      deadlines.set(event.claimId, event.untilMs)
      return
    }
    if (event.kind === 'ends') {
      running.delete(event.claimId)
    }
    if (event.kind === 'user_code') {
      const { job, epoch, claimId } = event
      const other = [...running.values()].find((one) => one.job === job)
      running.set(claimId, { job, epoch })
      deadlines.set(claimId, event.untilMs)
      if (other !== undefined) {
        return `I7: two containers of ${job}, of epochs ${other.epoch} and ${epoch}`
      }
    }
    for (const [claimId, { job, epoch }] of running) {
      if (event.atMs <= (deadlines.get(claimId) ?? 0) + killBudgetMs) continue
      return `I7: the container of epoch ${epoch} of ${job} outlives its deadline`
    }
    return
  }
}
