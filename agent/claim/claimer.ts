import { backoffMs } from '../../protocol/core/backoff.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { freeOf, type Ledger, release, reserve } from '../../protocol/core/capacity.ts'
import { causeOf } from '../../protocol/core/errors.ts'
import type { JobOpBody, JobState } from '../../protocol/core/job.ts'
import { holdsLease } from '../../protocol/core/lease.ts'
import { CLAIM_REST_MS, CLAIMS_PENDING_MAX, WATCHES_MAX } from '../../protocol/core/limits.ts'
import type { Offer } from '../../protocol/core/requirements.ts'
import { claimable, type Own, waitMs, watchable } from './candidates.ts'
import { pause } from './ending.ts'
import { Holder, type HolderParts } from './holder.ts'
import type { JobChange } from './ports.ts'

export interface ClaimerParts extends HolderParts {
  /** What this agent offers, fixed by its probe. */
  readonly offer: Offer
  /** True while new jobs may be claimed. */
  mayClaim(): boolean
  /** A job was taken or has ended: state and room have changed. */
  onHeld(change: { readonly kind: 'job_taken' | 'job_ended'; readonly jobId: string }): void
}

/**
 * Decides which jobs this agent tries to hold, and holds what it wins. Gossip and the board only
 * say where to look; every claim begins with a read and is decided by the register.
 */
export class Claimer {
  readonly #parts: ClaimerParts
  /** Jobs whose turn has not come yet, with what calls it off; likewise leases of others. */
  readonly #waiting = new Map<string, () => void>()
  readonly #watched = new Map<string, () => void>()
  readonly #holders = new Map<string, { readonly holder: Holder; readonly done: Promise<void> }>()
  readonly #claims = new Map<string, Promise<void>>()
  readonly #stop = new AbortController()
  #ledger: Ledger

  constructor(parts: ClaimerParts) {
    this.#parts = parts
    this.#ledger = { capacity: parts.offer.capacity, held: new Map() }
  }

  get ledger(): Ledger {
    return this.#ledger
  }

  /** Jobs held or being claimed. */
  get taken(): ReadonlySet<string> {
    return new Set([
      ...this.#claims.keys(),
      ...this.#holders.keys(),
      ...this.#waiting.keys(),
      ...this.#watched.keys()
    ])
  }

  get heldJobs(): readonly string[] {
    return [...this.#holders.keys()]
  }

  /** Looks at the board again: after news of a job, room that came free, or an order. */
  consider(): void {
    if (!this.#parts.mayClaim() || this.#stop.signal.aborted) {
      this.#dropPending()
      return
    }
    const open = this.#parts.registers.board.openJobs()
    for (const job of this.#orphans(open)) this.#begin(job, (one) => this.#giveBack(one))
    const own = this.#own()
    const draw = (): number => this.#parts.random.next()
    for (const job of claimable(open, own, this.taken, draw)) {
      if (this.#waiting.size >= CLAIMS_PENDING_MAX) break
      this.#await(this.#waiting, job, this.#waitMs(job), (one) => this.#claim(one))
    }
    for (const job of watchable(open, own, this.taken)) {
      if (this.#watched.size >= WATCHES_MAX) break
      const { takeOverMs } = this.#parts.registers.profile()
      this.#await(this.#watched, job, takeOverMs, (one) => this.#watch(one))
    }
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
    this.#dropPending()
    for (const { holder } of this.#holders.values()) holder.stop()
    await this.drain()
  }

  /** The process ends whatever the registers say; the next boot settles what is open. */
  quit(): void {
    this.#stop.abort()
    this.#dropPending()
    for (const { holder } of this.#holders.values()) holder.quit()
  }

  #own(): Own {
    const { registers, offer } = this.#parts
    return { peerId: registers.peerId, offer, free: freeOf(this.#ledger) }
  }

  #waitMs(job: BoardJob): number {
    const { registers, clock, digest, random } = this.#parts
    const agents = registers.board.agents(clock.bootMs())
    const { claimDelayMs } = registers.profile()
    const draw = (): number => random.next()
    return waitMs(job, this.#own(), agents, { digest, claimDelayMs, draw })
  }

  /** Leased to this agent, but by nothing that runs here: an earlier process won it and died. */
  #orphans(open: readonly BoardJob[]): readonly BoardJob[] {
    const { peerId } = this.#parts.registers
    const { taken } = this
    return open.filter((job) => job.state?.lease?.holder === peerId && !taken.has(job.jobId))
  }

  #await(
    queue: Map<string, () => void>,
    job: BoardJob,
    afterMs: number,
    then: (jobId: string) => Promise<void>
  ): void {
    const disarm = this.#parts.clock.arm(afterMs, () => {
      queue.delete(job.jobId)
      this.#begin(job, then)
    })
    queue.set(job.jobId, disarm)
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
    for (const queue of [this.#waiting, this.#watched]) {
      for (const cancel of queue.values()) cancel()
      queue.clear()
    }
  }

  async #claim(jobId: string): Promise<void> {
    const job = this.#parts.registers.board.job(jobId)
    if (job === undefined || !this.#parts.mayClaim()) return
    const phase = job.state?.phase ?? 'queued'
    if (phase !== 'queued' && phase !== 'leased') return
    // Room is set aside before the claim: two claims in flight must never share one slot.
    const reservation = reserve(this.#ledger, jobId, job.spec.resources)
    if (reservation.kind !== 'reserved') return
    this.#ledger = reservation.ledger
    try {
      await this.#propose(job)
    } finally {
      if (!this.#holders.has(jobId)) this.#ledger = release(this.#ledger, jobId)
    }
    if (!this.#holders.has(jobId)) await this.#rest()
  }

  #rest(): Promise<void> {
    return pause(this.#parts.clock, CLAIM_REST_MS, this.#stop.signal)
  }

  async #propose(job: BoardJob): Promise<void> {
    const { registers, random, clock, log } = this.#parts
    const { jobId } = job
    const seen = await registers.readJob(jobId)
    if (seen.kind === 'unreachable') return
    const phase = seen.state?.phase ?? 'queued'
    if (phase === 'leased' ? seen.leaseRemainingMs > 0 : phase !== 'queued') return
    const claimId = random.id(16)
    const opId = random.id(16)
    const { boot, peerId } = registers
    const { leaseMs } = registers.profile()
    // Counted from before the first attempt: a witness may have accepted as early as that.
    const startedAtMs = clock.bootMs()
    const body = { kind: 'claim', claimId, boot, leaseMs } as const
    const change = await this.#settle(jobId, opId, body)
    const value = change.value
    if (change.kind === 'rejected' && change.reason === 'attempts_exhausted') {
      await this.#giveUp(jobId, value)
    }
    // `same` may name a lease that was cancelled or taken over meanwhile (4.12.2).
    if (value === undefined || !holdsLease(value, { holder: peerId, claimId, boot })) return
    log.info(
      { job: jobId, epoch: value.epoch, phase: 'claim', ms: clock.bootMs() - startedAtMs },
      'phase finished'
    )
    this.#hold(job, value, claimId, startedAtMs)
  }

  /**
   * An ambiguous claim may be chosen later: it is asked for, under its own id, until it is known.
   */
  async #settle(
    jobId: string,
    opId: string,
    body: Extract<JobOpBody, { kind: 'claim' }>
  ): Promise<JobChange> {
    const { registers, clock, random, log } = this.#parts
    for (let attempt = 0; ; attempt++) {
      const change = await registers.changeJob(jobId, opId, body)
      if (change.kind !== 'unresolved' || this.#stop.signal.aborted) return change
      log.warn({ job: jobId, attempt }, 'claim not settled yet')
      await pause(clock, backoffMs(attempt, random.next()), this.#stop.signal)
    }
  }

  #hold(job: BoardJob, state: JobState, claimId: string, startedAtMs: number): void {
    const { jobId, spec } = job
    const sealed = this.#parts.registers.board.run(job.runId)?.sealed
    if (sealed === undefined) return
    const holder = new Holder(this.#parts, { jobId, spec, sealed, state, claimId, startedAtMs })
    const done = holder.run().finally(() => {
      this.#holders.delete(jobId)
      this.#ledger = release(this.#ledger, jobId)
      this.#parts.onHeld({ kind: 'job_ended', jobId })
      this.consider()
    })
    this.#holders.set(jobId, { holder, done })
    this.#parts.onHeld({ kind: 'job_taken', jobId })
    this.#tell(jobId)
  }

  /** No attempt is left and the last holder is gone: the job ends as ours, and says so. */
  async #giveUp(jobId: string, value: JobState | undefined): Promise<void> {
    const lost = value?.attempts ?? 0
    const message =
      `${lost} of ${value?.attemptsMax ?? lost} attempts ended with the loss of their agent: ` +
      'look at those hosts, then push again'
    const body = { kind: 'error', reason: 'agent_lost', message } as const
    await this.#parts.registers.changeJob(jobId, this.#parts.random.id(16), body)
    this.#tell(jobId)
  }

  /** Reads a leased job again; once its lease is over, claims it behind better placed agents. */
  async #watch(jobId: string): Promise<void> {
    const { registers, clock } = this.#parts
    const seen = await registers.readJob(jobId)
    if (seen.kind === 'unreachable' || seen.state?.phase !== 'leased') return
    const job = registers.board.job(jobId)
    if (job === undefined) return
    if (seen.leaseRemainingMs > 0) {
      await pause(clock, seen.leaseRemainingMs, this.#stop.signal)
    }
    await pause(clock, this.#waitMs(job), this.#stop.signal)
    if (!this.#stop.signal.aborted) await this.#claim(jobId)
  }

  async #giveBack(jobId: string): Promise<void> {
    const state = this.#parts.registers.board.job(jobId)?.state
    const { lease } = state ?? {}
    const records = await this.#parts.attempts.all()
    const recorded = records.some((record) => record.register === jobId)
    // A record means that its container could not be confirmed gone: such a lease is never given
    // back (4.12.13). No record means that none was ever made: the record is synced before one is.
    if (state === undefined || lease === undefined || recorded) {
      await this.#rest()
      return
    }
    const body = {
      kind: 'release',
      epoch: state.epoch,
      claimId: lease.claimId,
      reason: 'agent_lost',
      userCodeRan: false
    } as const
    const change = await this.#parts.registers.changeJob(jobId, this.#parts.random.id(16), body)
    this.#parts.log.warn({ job: jobId, epoch: state.epoch, answer: change.kind }, 'orphan released')
    this.#tell(jobId)
    await this.#rest()
  }

  #tell(jobId: string): void {
    this.#parts.registers.hint(jobId).catch((error: unknown) => {
      this.#parts.log.debug({ job: jobId, err: error }, 'hint not sent')
    })
  }
}
