import type { Checker } from '../events.ts'

interface Hold {
  readonly claimId: string
  readonly epoch: number
  readonly untilMs: number
}

/** I6: no two holders believe in a lease of one job at one instant. */
export function checkI6(): Checker {
  const holds = new Map<string, Map<string, Hold>>()
  const jobs = new Map<string, string>()
  return (event) => {
    if (event.kind === 'lets_go') {
      holds.get(jobs.get(event.claimId) ?? '')?.delete(event.claimId)
      return
    }
    if (event.kind !== 'holds') return
    const { job, claimId, epoch, untilMs, atMs } = event
    jobs.set(claimId, job)
    const ofJob = holds.get(job) ?? new Map<string, Hold>()
    holds.set(job, ofJob)
    ofJob.set(claimId, { claimId, epoch, untilMs })
    if (untilMs <= atMs) return
    const other = [...ofJob.values()].find((one) => one.claimId !== claimId && one.untilMs > atMs)
    if (other === undefined) return
    return `I6: ${job} is held in epoch ${epoch} and ${other.epoch} at once`
  }
}
