import { claimable, isHeld, type Own, waitMs, watchable } from '../../agent/claim/candidates.ts'
import { orphansOf } from '../../agent/claim/orphans.ts'
import { backoffMaxMs } from '../../protocol/core/backoff.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { freeOf, type Ledger, ledgerOf, release, reserve } from '../../protocol/core/capacity.ts'
import type { JobState } from '../../protocol/core/job.ts'
import { holdsLease } from '../../protocol/core/lease.ts'
import { CLAIM_REST_MS } from '../../protocol/core/limits.ts'
import type { Offer } from '../../protocol/core/requirements.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import { type Candidate, candidatesOf, recoverAttempt } from './adoption.ts'
import { dropRecord, endingOfRecord, recordsOf } from './attempt-records.ts'
import { endLease } from './end-lease.ts'
import { type HolderParts, SimHolder, type WonClaim } from './holder.ts'
import type { JobChange } from './node-parts.ts'
import { laterBy } from './node-parts.ts'

/** What one job takes of an agent's room. */
const SLOT = { cpuMilli: 1_000, memoryBytes: 536_870_912 }
/** Milliseconds between two advertisements. */
const ADVERTISE_MS = 2_000

/**
 * Which job to hold, in the order of production's Claimer: every claim begins with a read, an
 * ambiguous one is asked for until it is known, and what an earlier process left is ended first.
 */
export class SimAgent {
  readonly #parts: HolderParts
  readonly #offer: Offer
  #ledger: Ledger
  #waiting = new Set<string>()
  #claims = new Set<string>()
  #watched = new Set<string>()
  /** Jobs of a process before this one that may still be adopted. */
  #expected = new Set<string>()
  readonly holders = new Map<string, SimHolder>()
  #isReady = false
  #sequence = 0
  mayClaim = true

  constructor(parts: HolderParts, offer: Offer) {
    this.#parts = parts
    this.#offer = offer
    this.#ledger = ledgerOf(offer.capacity)
    parts.process.onStart(() => this.#boot())
    parts.process.onCrash(() => this.#forget())
  }

  get freeSlots(): number {
    return this.#isReady ? freeOf(this.#ledger).jobs : 0
  }

  /**
   * Nothing of an earlier process is left to be ended, but for runs of which nobody can tell now,
   * and nothing is held.
   */
  isIdle(isExcused: (runId: string) => boolean): boolean {
    if (this.holders.size > 0) return false
    return [...this.#claims, ...this.#expected].every((jobId) => isExcused(runIdOf(jobId)))
  }

  #forget(): void {
    this.#isReady = false
    this.#ledger = ledgerOf(this.#offer.capacity)
    this.#waiting = new Set()
    this.#claims = new Set()
    this.#watched = new Set()
    this.#expected = new Set()
    this.holders.clear()
    this.#sequence = 0
  }

  // A `start` of the dead process may still be under way: containers go before any lease, but for
  // those that run on under a lease that may still be ours (4.12.8).
  #boot(): void {
    const { host, process } = this.#parts
    const { boot, peerId } = process
    host.survivors(peerId, (survivors) => {
      process.run(boot, () => {
        const candidates = candidatesOf(this.#parts, recordsOf(this.#parts), survivors)
        const kept = new Set(candidates.map(({ record }) => record.claimId))
        host.reap(peerId, kept, () => process.run(boot, () => this.#begin(candidates)))
      })
    })
  }

  #begin(candidates: readonly Candidate[]): void {
    this.#isReady = true
    for (const { record } of candidates) {
      this.#expected.add(record.jobId)
      // A simulated job needs one slot, whatever it is.
      this.#ledger = reserve(this.#ledger, record.jobId, SLOT).ledger
    }
    for (const { jobId } of recordsOf(this.#parts)) {
      if (!this.#expected.has(jobId)) this.#settle(jobId)
    }
    for (const candidate of candidates) this.#recover(candidate)
    this.#advertise()
    this.consider()
  }

  #recover(candidate: Candidate): void {
    const { host, process, scene } = this.#parts
    const { jobId, claimId } = candidate.record
    const { boot } = process
    recoverAttempt(this.#parts, candidate, (won) => {
      if (won !== undefined) {
        scene.count('agent: attempt adopted')
        this.#hold(won)
        this.#expected.delete(jobId)
        return
      }
      scene.count('agent: attempt not adopted')
      host.remove(claimId, () => {
        process.run(boot, () => {
          this.#ledger = release(this.#ledger, jobId)
          this.#settle(jobId)
          this.#expected.delete(jobId)
        })
      })
    })
  }

  #settle(jobId: string): void {
    const record = recordsOf(this.#parts).find((one) => one.jobId === jobId)
    if (record === undefined) return
    this.#claims.add(jobId)
    const { startedAtMs } = record
    endLease(this.#parts, { jobId, body: endingOfRecord(record), startedAtMs }, () => {
      dropRecord(this.#parts, jobId)
      this.#claims.delete(jobId)
      this.consider()
    })
  }

  #advertise(): void {
    const { process, network, board } = this.#parts
    const { peerId, boot } = process
    this.#sequence += 1
    const body = {
      peerId,
      name: peerId,
      boot,
      sequence: this.#sequence,
      state: 'idle',
      version: '',
      ...this.#offer,
      free: freeOf(this.#ledger),
      diskFreeBytes: 0,
      diskLimit: 'soft',
      engine: '',
      jobs: [],
      sentAtMs: 0,
      leaving: false,
      closing: undefined
    } as const
    board().foldAdvertisement(body, process.nowMs)
    network.gossip(process, { kind: 'advertisement', body })
    process.arm(ADVERTISE_MS, () => this.#advertise())
  }

  get #taken(): ReadonlySet<string> {
    const { holders } = this
    const begun = [...this.#claims, ...holders.keys(), ...this.#expected]
    return new Set([...begun, ...this.#waiting, ...this.#watched])
  }

  #own(): Own {
    const { process } = this.#parts
    return { peerId: process.peerId, offer: this.#offer, free: freeOf(this.#ledger) }
  }

  /** Looks at the board: after news, room that came free, or a rest. */
  consider(): void {
    if (!this.#isReady || !this.mayClaim) return
    const { board, process, scene } = this.#parts
    const open = board().openJobs()
    for (const job of orphansOf(open, process.peerId, this.#taken)) this.#endOrphan(job)
    const own = this.#own()
    const draw = (): number => scene.timeline.random()
    const taken = this.#taken
    const look = { board: board(), open, agents: [], nowMs: process.wallMs }
    for (const job of claimable(look, own, (jobId) => taken.has(jobId), draw).jobs) {
      this.#await(this.#waiting, job.jobId, this.#waitMs(job), () => this.#claim(job))
    }
    const busy = this.#taken
    for (const job of watchable(open, own, (jobId) => busy.has(jobId), draw)) {
      const { takeOverMs } = scene.profile
      this.#await(this.#watched, job.jobId, takeOverMs, () => this.#watch(job))
    }
  }

  #await(queue: Set<string>, jobId: string, ms: number, task: () => void): void {
    queue.add(jobId)
    this.#parts.process.arm(ms, () => {
      queue.delete(jobId)
      task()
    })
  }

  #waitMs(job: BoardJob): number {
    const { board, process, scene } = this.#parts
    const { digest, profile, timeline } = scene
    const draw = (): number => timeline.random()
    const { claimDelayMs } = profile
    return waitMs(job, this.#own(), board().agents(process.nowMs), { digest, claimDelayMs, draw })
  }

  #rest(jobId: string): void {
    this.#claims.add(jobId)
    this.#parts.process.arm(CLAIM_REST_MS, () => {
      this.#claims.delete(jobId)
      this.consider()
    })
  }

  #claim({ jobId, spec }: BoardJob): void {
    if (!this.mayClaim || this.#claims.has(jobId) || this.holders.has(jobId)) return
    const board = this.#parts.board()
    const job = board.job(jobId)
    // Also of a lease that ran out: a member that lies may have claimed too early.
    const isEnding = job?.state?.cancel !== undefined
    if (job === undefined || (!isEnding && isHeld(job, board, this.#parts.process.wallMs))) return
    const reservation = reserve(this.#ledger, jobId, spec.resources)
    if (reservation.kind !== 'reserved') return
    this.#ledger = reservation.ledger
    this.#claims.add(jobId)
    const over = (): void => {
      this.#ledger = release(this.#ledger, jobId)
      this.#rest(jobId)
    }
    this.#parts.jobs.read(jobId, (seen) => {
      if (seen.kind !== 'chosen') return over()
      const phase = seen.state?.phase ?? 'queued'
      const isFree = phase === 'leased' ? seen.leaseRemainingMs === 0 : phase === 'queued'
      if (!isFree) return over()
      this.#propose(jobId, over)
    })
  }

  #propose(jobId: string, over: () => void): void {
    const { scene, process, jobs } = this.#parts
    const { boot, peerId } = process
    const claimId = `${peerId}-${scene.timeline.id()}`
    const { leaseMs } = scene.profile
    // Before the first attempt: a witness may have accepted as early as this.
    const startedAtMs = process.nowMs
    const body = { kind: 'claim', claimId, boot, leaseMs } as const
    const opId = scene.timeline.id()
    const attempt = (tries: number): void => {
      jobs.change(jobId, opId, body, (change) => {
        if (change.kind === 'unresolved') {
          laterBy(this.#parts, backoffMaxMs(tries), () => attempt(tries + 1))
          return
        }
        this.#giveUpExhausted(jobId, change)
        const won = this.#wonState(change, claimId)
        if (won === undefined) return over()
        jobs.hint(jobId)
        this.#hold({
          jobId,
          epoch: won.epoch,
          claimId,
          startedAtMs,
          isAdopted: false,
          told: undefined
        })
      })
    }
    attempt(0)
  }

  // `same` may name a lease that was cancelled or taken over meanwhile (4.12.2).
  #wonState({ value }: JobChange, claimId: string): JobState | undefined {
    const { peerId, boot } = this.#parts.process
    return holdsLease(value, { holder: peerId, claimId, boot }) ? value : undefined
  }

  #giveUpExhausted(jobId: string, change: JobChange): void {
    const isHarmful = change.reason === 'quarantined'
    if (change.reason !== 'attempts_exhausted' && !isHarmful) return
    const { jobs, scene } = this.#parts
    const reason = isHarmful ? 'quarantined' : 'agent_lost'
    const body = { kind: 'error', reason, message: 'no attempt is left' } as const
    jobs.change(jobId, scene.timeline.id(), body, () => jobs.hint(jobId))
  }

  #hold(won: WonClaim): void {
    const { jobId } = won
    const holder = new SimHolder(this.#parts, won, () => {
      this.holders.delete(jobId)
      this.#ledger = release(this.#ledger, jobId)
      this.consider()
    })
    this.holders.set(jobId, holder)
    this.#claims.delete(jobId)
    holder.run()
  }

  /** Reads a lease of another again; once it is over, claims behind better placed agents. */
  #watch(job: BoardJob): void {
    const { jobs, process } = this.#parts
    const { jobId } = job
    this.#watched.add(jobId)
    const over = (): void => {
      this.#watched.delete(jobId)
      this.consider()
    }
    jobs.read(jobId, (seen) => {
      if (seen.kind !== 'chosen' || seen.state?.phase !== 'leased') return over()
      const leftMs = seen.leaseRemainingMs
      // Renewed meanwhile: what is left is exact, a whole take-over time would be too long.
      if (leftMs > 0) return void process.arm(leftMs, () => this.#watch(job))
      process.arm(this.#waitMs(job), () => {
        this.#watched.delete(jobId)
        this.#claim(job)
        this.consider()
      })
    })
  }

  #endOrphan({ jobId, state }: BoardJob): void {
    if (state?.lease === undefined) return
    const { host, process } = this.#parts
    const record = recordsOf(this.#parts).find((one) => one.jobId === jobId)
    this.#claims.add(jobId)
    const { epoch } = state
    const { claimId } = state.lease
    const orphan = { kind: 'release', epoch, claimId, reason: 'agent_lost' } as const
    const body = record === undefined ? { ...orphan, userCodeRan: false } : endingOfRecord(record)
    const { boot } = process
    const end = (): void => {
      endLease(this.#parts, { jobId, body }, () => {
        dropRecord(this.#parts, jobId)
        this.#rest(jobId)
      })
    }
    // With a record there may be a container: it is confirmed gone first (4.12.13).
    if (record === undefined) end()
    else host.remove(record.claimId, () => process.run(boot, end))
  }
}
