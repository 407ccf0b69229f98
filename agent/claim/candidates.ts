import type { Capacity } from '../../protocol/core/advertisement.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { CLAIM_RANK_MAX } from '../../protocol/core/limits.ts'
import type { AgentView } from '../../protocol/core/observation.ts'
import { claimWaitMs, rankOf } from '../../protocol/core/placement.ts'
import type { Digest } from '../../protocol/core/ports.ts'
import { fits, lacksRoom, type Offer } from '../../protocol/core/requirements.ts'

/** From this many of the oldest jobs a freed agent picks: not all freed agents the same one. */
const OLDEST_CHOICES = 3

export interface Own {
  readonly peerId: string
  readonly offer: Offer
  readonly free: Capacity
}

/** Jobs that this agent may try to claim now, in the order in which to try. */
export function claimable(
  open: readonly BoardJob[],
  own: Own,
  taken: ReadonlySet<string>,
  draw: () => number
): readonly BoardJob[] {
  const jobs = open.filter((job) => {
    if (taken.has(job.jobId) || (job.state?.phase ?? 'queued') !== 'queued') return false
    return fits(job.spec, own.offer).length === 0 && lacksRoom(job.spec, own.free).length === 0
  })
  const head = jobs.slice(0, OLDEST_CHOICES)
  const picked = head.splice(Math.floor(draw() * head.length), 1)
  return [...picked, ...head, ...jobs.slice(OLDEST_CHOICES)]
}

/** Jobs of other holders whose lease may end without them. */
export function watchable(
  open: readonly BoardJob[],
  own: Own,
  taken: ReadonlySet<string>
): readonly BoardJob[] {
  return open.filter((job) => {
    if (taken.has(job.jobId) || job.state?.phase !== 'leased') return false
    if (job.state.lease?.holder === own.peerId) return false
    return fits(job.spec, own.offer).length === 0
  })
}

/** Milliseconds to wait before a claim: the best placed agent goes first, the next ones follow. */
export function waitMs(
  job: BoardJob,
  own: Own,
  agents: readonly AgentView[],
  parts: { readonly digest: Digest; readonly claimDelayMs: number; readonly draw: () => number }
): number {
  const lastHolder = job.state?.lease?.holder ?? job.state?.history.at(-1)?.holder
  const placing = { jobId: job.jobId, spec: job.spec, lastHolder }
  // Without gossip nobody hears anybody: everyone is first then, and the register decides.
  const others = agents.filter((view) => view.advertisement.peerId !== own.peerId)
  const alone = others.every((view) => view.observed === 'offline')
  const rank = alone ? 0 : (rankOf(own.peerId, placing, agents, parts.digest) ?? CLAIM_RANK_MAX)
  return claimWaitMs(rank, parts.claimDelayMs, parts.draw())
}
