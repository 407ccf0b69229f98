import type { Capacity } from '../../protocol/core/advertisement.ts'
import type { Board } from '../../protocol/core/board.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { fairOrder, type Queued } from '../../protocol/core/fair-order.ts'
import type { GpuHold } from '../../protocol/core/gpu-terms.ts'
import { jobOriginOf, refusalsOf } from '../../protocol/core/host-policy.ts'
import { CLAIM_RANK_MAX, CLAIMS_PENDING_MAX } from '../../protocol/core/limits.ts'
import { isLastLease } from '../../protocol/core/losses.ts'
import type { AgentView } from '../../protocol/core/observation.ts'
import { claimWaitMs, rankOf } from '../../protocol/core/placement.ts'
import type { Digest } from '../../protocol/core/ports.ts'
import { deferenceOf } from '../../protocol/core/preference.ts'
import { fits, lacksRoom, type Offer, type Room } from '../../protocol/core/requirements.ts'
import type { Manifest } from '../../protocol/core/run.ts'
import { Turns } from '../../protocol/core/turns.ts'

/** From this many of the oldest jobs a freed agent picks: not all freed agents the same one. */
const OLDEST_CHOICES = 3

export interface Own {
  readonly peerId: string
  readonly offer: Offer
  readonly free: Capacity
  /** Of its GPUs, by its jobs; absent is nothing. */
  readonly gpusHeld?: readonly GpuHold[]
}

/** The board as it is at the moment of a look. */
export interface Look {
  readonly board: Pick<Board, 'job' | 'usedMs'>
  /** As `Board.openJobs` gives them. */
  readonly open: readonly BoardJob[]
  readonly agents: readonly AgentView[]
  /** Wall clock of this host. */
  readonly nowMs: number
}

export interface Choice {
  /** In the order in which to try; at most CLAIMS_PENDING_MAX of those that nobody has had. */
  readonly jobs: readonly BoardJob[]
  /** Wall clock at which another job may be tried, by time alone. */
  readonly againAtMs: number | undefined
}

/**
 * Jobs that this agent may try to claim now: lost ones first, then in the order of `fairOrder`.
 * `over` has the epochs of leases that were seen to have run out: without it a lost job would wait
 * behind every younger one for which there is room first.
 */
export function claimable(
  look: Look,
  own: Own,
  isTaken: (jobId: string) => boolean,
  draw: () => number,
  over: ReadonlyMap<string, number> = new Map()
): Choice {
  const { open, board, agents, nowMs } = look
  const turns = new Turns(open, board, nowMs)
  let againAtMs: number | undefined
  const jobs = open.filter((job) => {
    const { state, jobId } = job
    const isFree = (state?.phase ?? 'queued') === 'queued' || over.get(jobId) === state?.epoch
    if (isTaken(jobId) || !isFree || turns.holdOf(job) !== undefined) return false
    if (fits(job, own.offer).length > 0 || lacksRoom(job, roomOf(own)).length > 0) return false
    const { labels } = own.offer
    const times = { issuedAtMs: job.issuedAtMs, nowMs }
    const deference = deferenceOf(job, { peerId: own.peerId, labels }, agents, times)
    if (deference === undefined) return true
    againAtMs = Math.min(againAtMs ?? deference.untilMs, deference.untilMs)
    return false
  })
  const lost = jobs.filter((job) => job.state?.phase === 'leased')
  const queued = jobs.filter((job) => job.state?.phase !== 'leased').map(asQueued)
  const shares = { running: runningOf(open), usedMs: board.usedMs(nowMs) }
  const ordered = fairOrder(queued, shares, Math.min(queued.length, CLAIMS_PENDING_MAX))
  return { jobs: [...lost, ...drawFirst(ordered, draw)], againAtMs }
}

/** True where the job is not to be claimed yet, however free it is: asked right before a claim. */
export function isHeld(
  job: BoardJob,
  board: Pick<Board, 'job' | 'openJobs'>,
  nowMs: number
): boolean {
  const { needs, concurrency } = job.spec
  if (needs === undefined && concurrency === undefined) return false
  return new Turns(board.openJobs(), board, nowMs).holdOf(job) !== undefined
}

function roomOf({ offer, free, gpusHeld }: Own): Room {
  const { capacity, gpus, gpuTerms } = offer
  return { free, capacity, gpus, gpuTerms, gpusHeld }
}

type QueuedJob = Queued & { readonly job: BoardJob }

function asQueued(job: BoardJob): QueuedJob {
  const { jobId, issuedAtMs, spec, origin } = job
  return { jobId, issuedAtMs, repository: origin.repository, priority: spec.priority ?? 0, job }
}

function runningOf(open: readonly BoardJob[]): ReadonlyMap<string, number> {
  const running = new Map<string, number>()
  for (const { state, origin } of open) {
    if ((state?.phase ?? 'queued') === 'queued') continue
    running.set(origin.repository, (running.get(origin.repository) ?? 0) + 1)
  }
  return running
}

// Of those that are alike: among others the first has its turn for a reason.
function drawFirst(ordered: readonly QueuedJob[], draw: () => number): readonly BoardJob[] {
  const [first] = ordered
  const isAlike = ({ repository, priority }: QueuedJob): boolean =>
    repository === first?.repository && priority === first.priority
  const differs = ordered.slice(0, OLDEST_CHOICES).findIndex((one) => !isAlike(one))
  const head = ordered.slice(0, differs < 0 ? OLDEST_CHOICES : differs)
  const rest = ordered.slice(head.length)
  const picked = head.splice(Math.floor(draw() * head.length), 1)
  return [...picked, ...head, ...rest].map(({ job }) => job)
}

/**
 * Jobs of other holders whose lease may end without them: those that this agent could run, and
 * those that nobody will run again, which anybody can end. From a random one on: no agent can watch
 * all of a large mesh, and were it always the oldest, nobody would watch the others.
 */
export function watchable(
  open: readonly BoardJob[],
  own: Own,
  isTaken: (jobId: string) => boolean,
  draw: () => number,
  over: ReadonlyMap<string, number> = new Map()
): readonly BoardJob[] {
  const jobs = open.filter((job) => {
    const { state } = job
    if (isTaken(job.jobId) || state?.phase !== 'leased') return false
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
