import type { Capacity } from '../../protocol/core/advertisement.ts'
import type { Board } from '../../protocol/core/board.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { fairOrder, type Queued } from '../../protocol/core/fair-order.ts'
import type { GpuHold } from '../../protocol/core/gpu-terms.ts'
import { groupOf } from '../../protocol/core/groups.ts'
import { jobOriginOf, refusalsOf } from '../../protocol/core/host-policy.ts'
import { unmetImages } from '../../protocol/core/images-lacking.ts'
import { isBehind } from '../../protocol/core/kept-room.ts'
import { CLAIM_RANK_MAX, CLAIMS_PENDING_MAX } from '../../protocol/core/limits.ts'
import { isLastLease } from '../../protocol/core/losses.ts'
import type { AgentView } from '../../protocol/core/observation.ts'
import { claimWaitMs, placingOf, rankOf } from '../../protocol/core/placement.ts'
import type { TextDigest } from '../../protocol/core/ports.ts'
import { deferredUntilMs } from '../../protocol/core/preference.ts'
import { codeFor, fits, hasRoom, type Offer, type Room } from '../../protocol/core/requirements.ts'
import type { Manifest } from '../../protocol/core/run.ts'
import { isQueued, Turns, type TurnsBoard } from '../../protocol/core/turns.ts'

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
  readonly board: TurnsBoard & Pick<Board, 'usedMs'>
  /** As `Board.openJobs` gives them. */
  readonly open: readonly BoardJob[]
  readonly agents: readonly AgentView[]
  /** Wall clock of this host. */
  readonly nowMs: number
  /** The job that this agent keeps its room for; absent is none. */
  readonly kept?: BoardJob | undefined
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
  const room = roomOf(own)
  let againAtMs: number | undefined
  const free = open.filter((job) => {
    const { state, jobId } = job
    const isFree = isQueued(job) || over.get(jobId) === state?.epoch
    if (!isFree || isTaken(jobId) || isBehind(job, look.kept)) return false
    // The cheapest question first: a busy agent asks it of thousands of jobs at every turn.
    if (!hasRoom(job, room)) return false
    if (turns.holdOf(job) !== undefined || fits(job, own.offer).length > 0) return false
    const untilMs = deferredUntilMs(job, own.offer, agents, { issuedAtMs: job.issuedAtMs, nowMs })
    if (untilMs !== undefined) againAtMs = Math.min(againAtMs ?? untilMs, untilMs)
    return untilMs === undefined
  })
  const jobs = oneOfEachGroup(free, open, isTaken)
  const lost = jobs.filter((job) => job.state?.phase === 'leased')
  const queued = jobs.filter((job) => job.state?.phase !== 'leased').map(asQueued)
  return { jobs: [...lost, ...drawFirst(inFairOrder(queued, look), draw)], againAtMs }
}

/** What this agent is about to claim is not leased on any board yet: its group waits for it. */
function oneOfEachGroup(
  jobs: readonly BoardJob[],
  open: readonly BoardJob[],
  isTaken: (jobId: string) => boolean
): readonly BoardJob[] {
  if (jobs.every(({ spec }) => spec.concurrency === undefined)) return jobs
  const groups = new Set(open.flatMap((job) => (isTaken(job.jobId) ? (groupOf(job) ?? []) : [])))
  return jobs.filter((job) => {
    const group = groupOf(job)
    if (group === undefined || !isQueued(job)) return true
    const isFirst = !groups.has(group)
    groups.add(group)
    return isFirst
  })
}

function inFairOrder(
  queued: readonly QueuedJob[],
  { open, board, nowMs }: Look
): readonly QueuedJob[] {
  // Most looks of a busy agent find one or none: who has how much of the mesh is no matter then.
  if (queued.length < 2) return queued
  const shares = { running: runningOf(open), usedMs: board.usedMs(nowMs) }
  return fairOrder(queued, shares, Math.min(queued.length, CLAIMS_PENDING_MAX))
}

/** True where the job is not to be claimed yet, however free it is: asked right before a claim. */
export function isHeld(
  job: BoardJob,
  board: TurnsBoard & Pick<Board, 'openJobs'>,
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
  for (const job of open) {
    if (isQueued(job)) continue
    const { origin } = job
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

/** True where the agent has found that the job's images are there for other platforms only. */
export function lacksImage({ spec }: BoardJob, { platforms, imagesLacking }: Offer): boolean {
  return unmetImages(spec, codeFor(spec, platforms), imagesLacking).length > 0
}

/** Milliseconds to wait before a claim: the best placed agent goes first, the next ones follow. */
export function waitMs(
  job: BoardJob,
  own: Own,
  agents: readonly AgentView[],
  parts: { readonly digest: TextDigest; readonly claimDelayMs: number; readonly draw: () => number }
): number {
  // Without gossip nobody hears anybody: everyone is first then, and the register decides.
  const others = agents.filter((view) => view.advertisement.peerId !== own.peerId)
  if (others.every((view) => view.observed === 'offline')) return 0
  const views = [...others, ...ownViewOf(own, agents)]
  const rank = rankOf(own.peerId, placingOf(job), views, parts.digest) ?? CLAIM_RANK_MAX
  return claimWaitMs(rank, parts.claimDelayMs, parts.draw())
}

/** Its own room as it is: what others have heard of it may be a second old. */
function ownViewOf(own: Own, agents: readonly AgentView[]): readonly AgentView[] {
  const { peerId, free, gpusHeld } = own
  const self = agents.find(({ advertisement }) => advertisement.peerId === peerId)
  if (self === undefined) return []
  const uses = gpusHeld?.map((hold) => ({ ...hold, jobs: [] }))
  const held = uses === undefined ? {} : { gpusHeld: uses }
  return [{ ...self, advertisement: { ...self.advertisement, ...held, free } }]
}
