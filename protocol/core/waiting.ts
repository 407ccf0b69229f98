import type { BoardJob } from './board-job.ts'
import { conditionOf } from './conditions.ts'
import { keptRooms } from './kept-room.ts'
import { type HostOutlook, outlooksOf } from './outlook.ts'
import type { TextDigest } from './ports.ts'
import { type WhyView, whyOf } from './why.ts'

/** All that is known of why a job waits. */
export interface Waiting {
  /** As in a list of jobs. */
  readonly line: string
  /** True where it begins without anybody's doing, as far as is known. */
  readonly resolves: boolean
  /** What would help where time does not: of the host that comes closest; '' for nothing. */
  readonly fix: string
  /** Queued jobs that came earlier and want the same agents. */
  readonly ahead: number
  /** Every known host, those that come closest first. */
  readonly hosts: readonly HostOutlook[]
}

export interface WaitingView extends WhyView {
  readonly queue: readonly BoardJob[]
  readonly digest: TextDigest
}

/** Undefined for a job that waits for no host: it runs, or has ended. */
export function waitingOf(job: BoardJob, view: WaitingView): Waiting | undefined {
  const phase = job.state?.phase ?? 'queued'
  if (phase !== 'queued') return undefined
  const { agents, wallMs, turns, queue } = view
  const hosts = outlooksOf(job, { agents, nowMs: wallMs, kept: keptOf(view) })
  const hold = turns.holdOf(job)
  const canRun = hosts.some(({ resolves }) => resolves)
  const [closest] = hosts
  const fixes = (closest?.requirements ?? []).flatMap(({ fix }) => (fix === '' ? [] : [fix]))
  const nobody = 'start an agent with `agent start`'
  return {
    line: whyOf(job, view),
    // A need that did not succeed ends the job: it never begins.
    resolves: hold?.kind !== 'broken' && canRun,
    fix: canRun ? '' : closest === undefined ? nobody : fixes.join('; '),
    ahead: conditionOf(job, agents, queue).ahead,
    hosts
  }
}

function keptOf({ queue, agents, wallMs, digest }: WaitingView): ReadonlyMap<string, BoardJob> {
  const jobs = new Map(queue.map((job) => [job.jobId, job]))
  const kept = new Map<string, BoardJob>()
  for (const [peerId, jobId] of keptRooms(queue, agents, wallMs, digest)) {
    const job = jobs.get(jobId)
    if (job !== undefined) kept.set(peerId, job)
  }
  return kept
}
