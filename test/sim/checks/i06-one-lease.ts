import type { Checker } from '../events.ts'

interface Hold {
  readonly by: string
  readonly claimId: string
  readonly epoch: number
  readonly untilMs: number
}

/**
 * I6: no two holders believe in a lease of one job at one instant. Those whose clock stood still
 * while true time went on believe what they like: no lease survives that.
 */
export function checkI6(): Checker {
  const holds = new Map<string, Map<string, Hold>>()
  const jobs = new Map<string, string>()
  const lagging = new Set<string>()
  return (event) => {
    if (event.kind === 'lags') lagging.add(event.host)
    if (event.kind === 'lets_go') {
      holds.get(jobs.get(event.claimId) ?? '')?.delete(event.claimId)
      return
    }
    if (event.kind !== 'holds') return
    const { by, job, claimId, epoch, untilMs, atMs } = event
    jobs.set(claimId, job)
    const ofJob = holds.get(job) ?? new Map<string, Hold>()
    holds.set(job, ofJob)
    ofJob.set(claimId, { by, claimId, epoch, untilMs })
    if (untilMs <= atMs || lagging.has(by)) return
    const other = [...ofJob.values()].find((one) => {
      return one.claimId !== claimId && one.untilMs > atMs && !lagging.has(one.by)
    })
    if (other === undefined) return
    return `I6: ${job} is held in epoch ${epoch} and ${other.epoch} at once`
  }
}
