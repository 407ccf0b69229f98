import type { Capacity } from '../../protocol/core/advertisement.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { jobOriginOf, refusalsOf } from '../../protocol/core/host-policy.ts'
import { CLAIM_RANK_MAX } from '../../protocol/core/limits.ts'
import { isLastLease } from '../../protocol/core/losses.ts'
import type { AgentView } from '../../protocol/core/observation.ts'
import { claimWaitMs, rankOf } from '../../protocol/core/placement.ts'
import type { Digest } from '../../protocol/core/ports.ts'
import { fits, lacksRoom, type Offer } from '../../protocol/core/requirements.ts'
import type { Manifest } from '../../protocol/core/run.ts'

/** From this many of the oldest jobs a freed agent picks: not all freed agents the same one. */
const OLDEST_CHOICES = 3

export interface Own {
  readonly peerId: string
  readonly offer: Offer
  readonly free: Capacity
}

/**
 * Jobs that this agent may try to claim now, in the order in which to try. `over` has the epochs of
 * leases that were seen to have run out: without it a lost job would wait behind every younger one
 * for which there is room first.
 */
export function claimable(
  open: readonly BoardJob[],
  own: Own,
  taken: ReadonlySet<string>,
  draw: () => number,
  over: ReadonlyMap<string, number> = new Map()
): readonly BoardJob[] {
  const jobs = open.filter((job) => {
    const { state } = job
    const isFree = (state?.phase ?? 'queued') === 'queued' || over.get(job.jobId) === state?.epoch
    if (taken.has(job.jobId) || !isFree) return false
    const room = { free: own.free, capacity: own.offer.capacity }
    return fits(job, own.offer).length === 0 && lacksRoom(job.spec, room).length === 0
  })
  const lost = jobs.filter((job) => job.state?.phase === 'leased')
  const queued = jobs.filter((job) => job.state?.phase !== 'leased')
  const head = queued.slice(0, OLDEST_CHOICES)
  const picked = head.splice(Math.floor(draw() * head.length), 1)
  return [...lost, ...picked, ...head, ...queued.slice(OLDEST_CHOICES)]
}

/**
 * Jobs of other holders whose lease may end without them: those that this agent could run, and
 * those that nobody will run again, which anybody can end. From a random one on: no agent can watch
 * all of a large mesh, and were it always the oldest, nobody would watch the others.
 */
export function watchable(
  open: readonly BoardJob[],
  own: Own,
  taken: ReadonlySet<string>,
  draw: () => number,
  over: ReadonlyMap<string, number> = new Map()
): readonly BoardJob[] {
  const jobs = open.filter((job) => {
    const { state } = job
    if (taken.has(job.jobId) || state?.phase !== 'leased') return false
    if (state.lease?.holder === own.peerId) return false
    if (isLastLease(state)) return true
    return over.get(job.jobId) !== state.epoch && fits(job, own.offer).length === 0
  })
  const from = Math.floor(draw() * jobs.length)
  return [...jobs.slice(from), ...jobs.slice(0, from)]
}

/**
 * True where the agent's owner does not take the job, by what its gateway has signed. Asked right
 * before a claim: the owner has the last word, whatever a board or an advertisement says.
 */
export function isRefused({ spec }: BoardJob, manifest: Manifest, { policy }: Offer): boolean {
  if (policy === undefined) return false
  const signed = { spec: manifest.jobs[spec.index] ?? spec, trust: manifest.trust }
  return refusalsOf({ ...signed, origin: jobOriginOf(manifest) }, policy).length > 0
}

/** Milliseconds to wait before a claim: the best placed agent goes first, the next ones follow. */
export function waitMs(
  job: BoardJob,
  own: Own,
  agents: readonly AgentView[],
  parts: { readonly digest: Digest; readonly claimDelayMs: number; readonly draw: () => number }
): number {
  const lastHolder = job.state?.lease?.holder ?? job.state?.history.at(-1)?.holder
  const { jobId, spec, trust, origin } = job
  const placing = { jobId, spec, trust, origin, lastHolder }
  // Without gossip nobody hears anybody: everyone is first then, and the register decides.
  const others = agents.filter((view) => view.advertisement.peerId !== own.peerId)
  const alone = others.every((view) => view.observed === 'offline')
  const rank = alone ? 0 : (rankOf(own.peerId, placing, agents, parts.digest) ?? CLAIM_RANK_MAX)
  return claimWaitMs(rank, parts.claimDelayMs, parts.draw())
}
