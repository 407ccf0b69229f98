import type { BoardJob } from '../../protocol/core/board-job.ts'
import { freeOf, gpusHeldOf, type Ledger, NO_ROOM } from '../../protocol/core/capacity.ts'
import { causeOf } from '../../protocol/core/errors.ts'
import { CLAIM_REST_MS, CLAIMS_PENDING_MAX, WATCHES_MAX } from '../../protocol/core/limits.ts'
import { isLastLease } from '../../protocol/core/losses.ts'
import type { AgentView } from '../../protocol/core/observation.ts'
import { ROOM_KEPT_LOOK_MS } from '../../protocol/core/placement-limits.ts'
import type { Offer } from '../../protocol/core/requirements.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import { isQueued } from '../../protocol/core/turns.ts'
import type { GpuDevice } from '../probe/gpu/gpu-device.ts'
import { Alarms } from './alarms.ts'
import {
  claimable,
  isHeld,
  isRefused,
  lacksImage,
  type Own,
  waitMs,
  watchable
} from './candidates.ts'
import { pause } from './ending.ts'
import { Holder } from './holder.ts'
import type { HolderParts, WonClaim } from './holder-parts.ts'
import { NextLook } from './next-look.ts'
import { endOrphan, orphansOf } from './orphans.ts'
import { OverLeases } from './over-leases.ts'
import type { JobRead } from './ports.ts'
import { endLostJob, proposeClaim } from './proposal.ts'
import type { Candidate } from './recovery.ts'
import { type Problem, Rests } from './rests.ts'
import { Room } from './room.ts'
import { RoomKeeper } from './room-keeper.ts'
import { Warmth } from './warmth.ts'

export interface ClaimerParts extends HolderParts {
  /** What this agent offers: `networks`, `isolation` and its label for engines go and come. */
  readonly offer: Offer
  /** The GPUs of this host, as they are now. */
  gpus(): readonly GpuDevice[]
  /** Resolves once `offer` knows what the job's images are there for, as far as it can be known. */
  learnImages(spec: JobSpec, signal: AbortSignal): Promise<void>
  /** True while new jobs may be claimed, and those of others ended that nobody can run again. */
  mayClaim(): boolean
  /** False while the owner lets no new job begin here: outside the hours, or on a busy host. */
  isOpen(): boolean
  /** Names of images that are here from jobs before, the latest first; absent is none. */
  readonly warmImages?: readonly string[]
  /** There is more room than was said last, and no job has ended. */
  onRoom(): void
  /** A job was taken or has ended: state and room have changed. */
  onHeld(change: { readonly kind: 'job_taken' | 'job_ended'; readonly jobId: string }): void
}

type ChosenJob = Extract<JobRead, { kind: 'chosen' }>

/**
 * Decides which jobs this agent tries to hold, and holds what it wins. Gossip and the board only
 * say where to look; every claim begins with a read and is decided by the register.
 */
export class Claimer {
  readonly #parts: ClaimerParts
  /** Jobs whose turn has not come yet; likewise leases of others. */
  readonly #waiting: Alarms
  readonly #watched: Alarms
  readonly #holders = new Map<string, { readonly holder: Holder; readonly done: Promise<void> }>()
  /** Jobs of a process before this one that may still be adopted: neither free nor orphans. */
  readonly #expected = new Set<string>()
  readonly #claims = new Map<string, Promise<void>>()
  /** Watches that have begun; those that still wait are in `#watched`. */
  #watching = 0
  readonly #over = new OverLeases()
  readonly #stop = new AbortController()
  readonly #rests: Rests
  readonly #keeper: RoomKeeper
  readonly #warmth: Warmth
  /** Ends waits for a turn, a lease of others or a rest: no order must wait for them. */
  #pending = new AbortController()
  readonly #room: Room
  readonly #nextLook: NextLook

  constructor(parts: ClaimerParts) {
    this.#parts = parts
    const { clock, log, executor } = parts
    const check = (): Promise<void> => executor.check()
    this.#rests = new Rests({ clock, log, check, onOver: () => this.consider() })
    this.#nextLook = new NextLook(clock, () => this.consider())
    this.#waiting = new Alarms(clock)
    this.#watched = new Alarms(clock)
    this.#keeper = new RoomKeeper(parts.registers.peerId, parts.digest)
    this.#warmth = new Warmth(parts.digest, parts.warmImages)
    const { offer, gpus } = parts
    const onFree = (): void => this.#freed()
    this.#room = new Room({ offer, gpus, executor, clock, log, onFree })
  }

  get ledger(): Ledger {
    return this.#room.ledger
  }

  /** Keys of what this host has at hand: see `warmKeysOf`. */
  get warm(): readonly string[] {
    return this.#warmth.keys
  }

  /** Jobs held or being claimed. */
  get taken(): ReadonlySet<string> {
    return new Set([
      ...this.#claims.keys(),
      ...this.#holders.keys(),
      ...this.#waiting.jobIds(),
      ...this.#watched.jobIds(),
      ...this.#expected
    ])
  }

  get heldJobs(): readonly string[] {
    return [...this.#holders.keys()]
  }

  /** How many jobs wait for a turn here, and how many leases of others are watched. */
  get pending(): { readonly turns: number; readonly watches: number } {
    return { turns: this.#waiting.size, watches: this.#watched.size + this.#watching }
  }

  /** Keeps room for jobs whose containers run on, until `adopt` or `unexpect` is called for each. */
  expect(candidates: readonly Candidate[]): void {
    for (const candidate of candidates) {
      this.#expected.add(candidate.record.register)
      this.#room.expect(candidate)
    }
  }

  unexpect(jobId: string): void {
    this.#expected.delete(jobId)
    if (!this.#holders.has(jobId)) this.#room.unexpect(jobId, this.#stop.signal)
    this.#freed()
  }

  /** Goes on with a job whose lease was adopted. */
  adopt(won: WonClaim): void {
    this.#room.adopt(won.jobId)
    this.#hold(won)
    this.#expected.delete(won.jobId)
  }

  /** Why this agent claims less than it might, with the way out. */
  problems(): readonly Problem[] {
    return this.#rests.problems()
  }

  /** Looks at the board again: after news of a job, room that came free, or an order. */
  consider(): void {
    if (!this.#parts.mayClaim() || this.#stop.signal.aborted) {
      this.#dropPending()
      return
    }
    const open = this.#parts.registers.board.openJobs()
    const { peerId } = this.#parts.registers
    for (const job of orphansOf(open, peerId, this.taken)) {
      this.#begin(job, (one) => this.#endOrphan(one))
    }
    if (this.#rests.isHostResting) return
    this.#dropClaimed()
    const own = this.#own()
    const agents = this.#agents()
    const draw = (): number => this.#parts.random.next()
    const { taken } = this
    const isTaken = (jobId: string): boolean => taken.has(jobId) || this.#rests.isResting(jobId)
    this.#over.keep(open)
    for (const job of this.#choose({ open, agents }, own, isTaken)) {
      if (this.#waiting.size >= CLAIMS_PENDING_MAX) break
      const begin = (): void => this.#begin(job, (one) => this.#claim(one))
      this.#waiting.set(job.jobId, this.#waitMs(job, agents), begin)
    }
    const isOurs = (jobId: string): boolean => isTaken(jobId) || this.#waiting.has(jobId)
    for (const job of watchable(open, own, isOurs, draw, this.#over.epochs)) {
      if (this.#watched.size + this.#watching >= WATCHES_MAX) break
      // Not as late as a take-over: the news of the claim were late, and the look says by how much.
      const { leaseMs } = this.#parts.registers.profile()
      const begin = (): void => this.#begin(job, (one) => this.#watchOne(one))
      this.#watched.set(job.jobId, leaseMs, begin)
    }
  }

  /** Room came free that no end of a job tells of. */
  #freed(): void {
    this.#parts.onRoom()
    this.consider()
  }

  /** Claims nothing more; resolves once everything held has ended by itself. */
  async drain(): Promise<void> {
    this.#dropPending()
    await Promise.all(this.#claims.values())
    await Promise.all([...this.#holders.values()].map(({ done }) => done))
  }

  /** Ends what is held: containers gone, leases given back. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#rests.stop()
    this.#dropPending()
    for (const { holder } of this.#holders.values()) holder.stop()
    await this.drain()
  }

  /** The process ends whatever the registers say; the next boot settles what is open. */
  quit(): void {
    this.#stop.abort()
    this.#rests.stop()
    this.#dropPending()
    for (const { holder } of this.#holders.values()) holder.quit()
  }

  /**
   * Looks again by itself once a job no longer waits for hosts that it prefers, and while room is
   * kept: for whom may change without a word.
   */
  #choose(
    { open, agents }: { readonly open: readonly BoardJob[]; readonly agents: readonly AgentView[] },
    own: Own,
    isTaken: (jobId: string) => boolean
  ): readonly BoardJob[] {
    const { registers, clock, random } = this.#parts
    const nowMs = clock.wallMs()
    const seen = { board: registers.board, open, agents, nowMs }
    const kept = this.#keeper.kept(seen, (jobId) => this.#rests.isResting(jobId))
    const look = { ...seen, kept }
    const draw = (): number => random.next()
    const { jobs, againAtMs } = claimable(look, own, isTaken, draw, this.#over.epochs)
    const lookAtMs = Math.min(
      againAtMs ?? Number.POSITIVE_INFINITY,
      kept === undefined ? Number.POSITIVE_INFINITY : nowMs + ROOM_KEPT_LOOK_MS
    )
    this.#nextLook.in(lookAtMs - nowMs)
    return jobs
  }

  #agents(): readonly AgentView[] {
    const { registers, clock } = this.#parts
    return registers.board.agents(clock.bootMs())
  }

  /**
   * Gives up the turns of jobs that others are known to have. Without it each agent of a large mesh
   * would ask the witnesses of each job once, and wait with its turns full of what is long taken.
   */
  #dropClaimed(): void {
    const { board } = this.#parts.registers
    this.#waiting.keep((jobId) => {
      const job = board.job(jobId)
      return job !== undefined && (isQueued(job) || this.#over.has(job))
    })
  }

  #own(): Own {
    const { registers, offer } = this.#parts
    const free = this.#parts.isOpen() ? freeOf(this.ledger) : NO_ROOM
    return { peerId: registers.peerId, offer, free, gpusHeld: gpusHeldOf(this.ledger) }
  }

  #waitMs(job: BoardJob, agents = this.#agents()): number {
    const { registers, digest, random } = this.#parts
    const { claimDelayMs } = registers.profile()
    const draw = (): number => random.next()
    return waitMs(job, this.#own(), agents, { digest, claimDelayMs, draw })
  }

  #begin(job: BoardJob, work: (jobId: string) => Promise<void>): void {
    const { jobId } = job
    const done = work(jobId)
      .catch((error: unknown) => {
        this.#parts.log.warn({ job: jobId, cause: causeOf(error) }, 'claim failed')
        // Too busy, say, or the run is not known yet: at once it would fail again.
        return this.#rest()
      })
      .finally(() => {
        this.#claims.delete(jobId)
        this.consider()
      })
    this.#claims.set(jobId, done)
  }

  #dropPending(): void {
    this.#nextLook.callOff()
    this.#waiting.clear()
    this.#watched.clear()
    this.#pending.abort()
    this.#pending = new AbortController()
  }

  /** Asked again right before a claim: an order or a fault may have come while its turn did not. */
  #mayClaim(jobId: string): boolean {
    if (this.#rests.isHostResting || this.#rests.isResting(jobId)) return false
    return this.#parts.mayClaim() && !this.#stop.signal.aborted
  }

  async #claim(jobId: string): Promise<void> {
    const job = this.#parts.registers.board.job(jobId)
    if (job === undefined || !this.#mayClaim(jobId)) return
    const phase = job.state?.phase ?? 'queued'
    if (phase !== 'queued' && phase !== 'leased') return
    // A registry may be asked for that: an order or a fault may come meanwhile.
    await this.#parts.learnImages(job.spec, this.#pending.signal)
    if (this.#mayClaim(jobId)) await this.#claimKnown(job)
  }

  async #claimKnown(job: BoardJob): Promise<void> {
    const { jobId } = job
    if (lacksImage(job, this.#parts.offer)) return this.#rest()
    const { board } = this.#parts.registers
    const manifest = board.run(job.runId)?.sealed.announcement.manifest
    if (manifest === undefined || isRefused(job, manifest, this.#parts.offer)) return this.#rest()
    if (!this.#parts.isOpen()) return this.#over.note(job)
    // By the newest that is known: its turn may have gone to another while this one waited.
    if (isHeld(job, board, this.#parts.clock.wallMs())) return this.#rest()
    const gpus = this.#room.reserve(job, manifest)
    if (gpus === undefined) return this.#over.note(job)
    this.#over.forget(jobId)
    try {
      const won = await proposeClaim(this.#parts, job, this.#stop.signal)
      if (won !== undefined) this.#hold({ ...won, gpus })
    } finally {
      if (!this.#holders.has(jobId)) this.#room.release(jobId)
    }
    if (!this.#holders.has(jobId)) await this.#rest()
  }

  #rest(): Promise<void> {
    return pause(this.#parts.clock, CLAIM_REST_MS, this.#pending.signal)
  }

  #hold(won: WonClaim): void {
    const { jobId } = won
    this.#warmth.ran(won.spec, won.sealed.announcement.manifest.repository)
    const holder = new Holder(this.#parts, won)
    const done = holder.run().then((lesson) => {
      this.#holders.delete(jobId)
      this.#room.giveBack(holder, this.#stop.signal)
      this.#rests.learn(jobId, lesson)
      this.#parts.onHeld({ kind: 'job_ended', jobId })
      this.consider()
    })
    this.#holders.set(jobId, { holder, done })
    this.#parts.onHeld({ kind: 'job_taken', jobId })
  }

  async #watchOne(jobId: string): Promise<void> {
    this.#watching += 1
    try {
      await this.#watch(jobId)
    } finally {
      this.#watching -= 1
    }
  }

  /**
   * Reads a leased job again each time that its lease might be over. Once it is, the job is claimed
   * behind better placed agents, or ended where nobody may go on with it.
   */
  async #watch(jobId: string): Promise<void> {
    const { registers, clock } = this.#parts
    const { signal } = this.#pending
    while (!signal.aborted) {
      const job = registers.board.job(jobId)
      const seen = await registers.readJob(jobId)
      if (job === undefined) return
      if (seen.kind === 'unreachable') {
        // To end here would begin with a whole take-over time again, once a quorum answers.
        await pause(clock, CLAIM_REST_MS, signal)
      } else if (await this.#settles(job, seen, signal)) {
        return
      }
    }
  }

  /** Acts on a lease that is over; true where there is nothing left to watch. */
  async #settles(job: BoardJob, seen: ChosenJob, signal: AbortSignal): Promise<boolean> {
    const { jobId } = job
    if (seen.state?.phase !== 'leased') return true
    // Renewed meanwhile: what is left now is exact, a whole take-over time would be too long.
    const leftMs = seen.leaseRemainingMs
    await pause(this.#parts.clock, leftMs > 0 ? leftMs : this.#waitMs(job), signal)
    if (leftMs > 0) return false
    await (isLastLease(seen.state) ? this.#endLost(jobId) : this.#claim(jobId))
    return this.#holders.has(jobId) || this.#over.epochs.has(jobId)
  }

  async #endLost(jobId: string): Promise<void> {
    if (!this.#parts.mayClaim()) return
    await endLostJob(this.#parts, jobId)
    await this.#rest()
  }

  async #endOrphan(jobId: string): Promise<void> {
    await endOrphan(this.#parts, jobId, this.#pending.signal)
    await this.#rest()
  }
}
