import type {
  HeldLease,
  JobChange,
  JobRead,
  Registers,
  RenewOutcome
} from '../../agent/claim/ports.ts'
import { Board } from '../../protocol/core/board.ts'
import type { Cancellation, JobOpBody, JobState } from '../../protocol/core/job.ts'
import { reduceJob } from '../../protocol/core/job-reducer.ts'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import type { Clock, Signer } from '../../protocol/core/ports.ts'
import type { SealedAnnouncement } from '../../protocol/core/run.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import { plainDigest } from './plain-digest.ts'
import { plainSigner } from './plain-signer.ts'

/** One change as it was asked for. */
export interface AskedChange {
  readonly peer: string
  readonly jobId: string
  readonly opId: string
  readonly kind: JobOpBody['kind']
  readonly body: JobOpBody
  readonly atMs: number
}

/** One round of renewals, with the time at which it came. */
export interface AskedRenewal {
  readonly items: readonly HeldLease[]
  readonly atMs: number
}

const PROFILE = LEASE_PROFILES.default

/**
 * The registers of a mesh as one honest register each, with the real reducer and the timers of real
 * witnesses: what the claim room sees of a mesh that works. Faults are switched on by the test.
 */
export class OneRegister {
  readonly states = new Map<string, JobState>()
  readonly asked: AskedChange[] = []
  readonly renewals: AskedRenewal[] = []
  /** Answers that are lost: the change is made, the asker hears `unresolved`. */
  ambiguous = 0
  /** False: nobody answers. */
  reachable = true
  /** False: nobody answers changes; reads and renewals are as before. */
  changeable = true
  /** Milliseconds that an answer to a change or renewal takes; both are made at once. */
  answerMs = 0
  /** False: witnesses answer renewals with `behind`. */
  renewable = true
  /** Witnesses of three that answer renewals with `fenced`, until a new version comes. */
  fenced = 0
  /** False: boards are not told of changes; only a read shows them. */
  gossip = true
  /** Of jobs that are created from now on. */
  attemptsMax = 3
  cancel: Cancellation | undefined
  readonly #digest = plainDigest()
  readonly #runs = new Map<string, SealedAnnouncement>()
  readonly #members: Registers[] = []
  /** When the current lease of a job was granted or last renewed. */
  readonly #renewedAtMs = new Map<string, number>()

  addRun(sealed: SealedAnnouncement): void {
    this.#runs.set(sealed.announcement.runId, sealed)
    for (const member of this.#members) member.board.addRun(sealed, 0)
  }

  /** One agent's view; every change reaches every board at once. */
  member(peerId: string, boot: string, clock: Clock): Registers {
    const signer = plainSigner(peerId, this.#digest)
    const board = new Board()
    for (const sealed of this.#runs.values()) board.addRun(sealed, 0)
    const member: Registers = {
      peerId,
      boot,
      board,
      profile: () => PROFILE,
      leaseProfile: () => PROFILE,
      witnessEpochOf: (jobId) => board.job(jobId)?.witnessEpoch,
      changeJob: async (jobId, opId, body) => {
        const atMs = clock.bootMs()
        this.asked.push({ peer: peerId, jobId, opId, kind: body.kind, body, atMs })
        const change = this.#change(signer, jobId, opId, body, clock)
        // The answer shows what was chosen, as a read does.
        if (change.value !== undefined) board.foldJob(change.value, clock.wallMs())
        await this.#answered(clock)
        return change
      },
      readJob: async (jobId) => this.#read(jobId, board, clock),
      renew: async (items) => {
        const outcomes = this.#renew(items, clock)
        await this.#answered(clock)
        return outcomes
      },
      hint: async () => undefined
    }
    this.#members.push(member)
    return member
  }

  /** Changes of one kind, as they were asked for. */
  askedFor(kind: JobOpBody['kind']): readonly AskedChange[] {
    return this.asked.filter((change) => change.kind === kind)
  }

  #change(signer: Signer, jobId: string, opId: string, body: JobOpBody, clock: Clock): JobChange {
    const before = this.states.get(jobId) ?? this.#created(signer, jobId)
    if (!this.reachable || !this.changeable) return { kind: 'unresolved', value: undefined }
    const op = signer.jobOp(jobId, opId, body)
    const reduction = reduceJob(before, jobId, op, this.#digest)
    if (reduction.kind === 'reject') {
      return { kind: 'rejected', reason: reduction.reason, value: before }
    }
    const retryInMs = this.#remainingMs(jobId, clock)
    const takesOver = body.kind === 'claim' && before.phase === 'leased'
    if (reduction.kind === 'next' && takesOver && retryInMs > 0) {
      return { kind: 'busy', retryInMs, value: before }
    }
    const value = reduction.kind === 'next' ? reduction.value : before
    this.states.set(jobId, value)
    if (reduction.kind === 'next') this.#renewedAtMs.set(jobId, clock.bootMs())
    if (this.gossip) this.tellBoards(clock)
    if (this.ambiguous > 0) {
      this.ambiguous -= 1
      return { kind: 'unresolved', value: undefined }
    }
    return { kind: reduction.kind === 'next' ? 'applied' : 'same', value }
  }

  async #answered(clock: Clock): Promise<void> {
    const { answerMs } = this
    if (answerMs > 0) await new Promise<void>((done) => clock.arm(answerMs, done))
  }

  /** Brings every board up to date. */
  tellBoards(clock: Clock): void {
    for (const member of this.#members) {
      for (const state of this.states.values()) member.board.foldJob(state, clock.wallMs())
    }
  }

  #created(signer: Signer, jobId: string): JobState {
    const sealed = this.#runs.get(runIdOf(jobId))
    const annHash = sealed?.annHash ?? ''
    const body = { kind: 'create', annHash, attemptsMax: this.attemptsMax } as const
    const made = reduceJob(
      undefined,
      jobId,
      signer.jobOp(jobId, 'c'.repeat(32), body),
      this.#digest
    )
    if (made.kind !== 'next') throw new Error('a create on an empty register is applied')
    return made.value
  }

  #read(jobId: string, board: Board, clock: Clock): JobRead {
    if (!this.reachable) return { kind: 'unreachable', answered: 0 }
    const state = this.states.get(jobId)
    if (state !== undefined) board.foldJob(state, clock.wallMs())
    return { kind: 'chosen', state, leaseRemainingMs: this.#remainingMs(jobId, clock) }
  }

  #remainingMs(jobId: string, clock: Clock): number {
    if (this.states.get(jobId)?.phase !== 'leased') return 0
    const sinceMs = clock.bootMs() - (this.#renewedAtMs.get(jobId) ?? 0)
    return Math.max(0, PROFILE.takeOverMs - sinceMs)
  }

  #renew(items: readonly HeldLease[], clock: Clock): readonly RenewOutcome[] {
    this.renewals.push({ items, atMs: clock.bootMs() })
    return items.map((item) => {
      const state = this.states.get(item.jobId)
      const held = state?.lease?.claimId === item.claimId && state.epoch === item.epoch
      const ok = this.reachable && this.renewable && held
      if (ok) this.#renewedAtMs.set(item.jobId, clock.bootMs())
      const stale = this.reachable && !held ? 3 : 0
      const oks = ok ? 3 : 0
      const { jobId } = item
      const cancel = this.cancel ?? state?.cancel
      return { jobId, oks, stale, behind: 0, fenced: this.fenced, quorum: 2, cancel }
    })
  }
}
