import type { HistoryEntry, JobState } from './job.ts'
import { LOSS_HOSTS_MAX } from './recovery-limits.ts'

/**
 * The agents that this job was lost on, each once: its lease ran out there without a word. A host
 * that could give the job back has not been taken down by it.
 */
export function lossHosts(history: readonly HistoryEntry[]): readonly string[] {
  const lost = history.filter(({ end }) => end === 'expired')
  return [...new Set(lost.map(({ holder }) => holder))]
}

/**
 * True once so many different hosts were lost with the job that the job is the likelier cause. Two
 * losses on one host say more about that host: the next attempt goes to another one.
 */
export function mayHarmHosts(history: readonly HistoryEntry[]): boolean {
  return lossHosts(history).length >= LOSS_HOSTS_MAX
}

/** True when the job ends with the lease that it has, should that run out: nobody may go on. */
export function isLastLease(state: JobState): boolean {
  const { phase, lease, history } = state
  if (phase !== 'leased' || lease === undefined) return false
  if (state.cancel !== undefined || state.attempts >= state.attemptsMax) return true
  return new Set([...lossHosts(history), lease.holder]).size >= LOSS_HOSTS_MAX
}
