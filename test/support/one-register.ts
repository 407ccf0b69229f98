import type {
  HeldLease,
  JobChange,
  JobRead,
  Registers,
  RenewOutcome
} from '../../agent/claim/ports.ts'
import { Board } from '../../protocol/core/board.ts'
import type { JobOpBody, JobState } from '../../protocol/core/job.ts'
import { reduceJob } from '../../protocol/core/job-reducer.ts'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import type { Clock, Signer } from '../../protocol/core/ports.ts'
import type { SealedAnnouncement } from '../../protocol/core/run.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import { plainDigest } from './plain-digest.ts'
import { plainSigner } from './plain-signer.ts'

/**
 * The registers of a mesh as one honest, always reachable register each, with the real reducer:
 * what the claim room sees of a mesh that works. Faults are switched on by the test.
 */
export class OneRegister {
  readonly states = new Map<string, JobState>()
  readonly renewals: (readonly HeldLease[])[] = []
  /** Answers that are lost: the change is made, the asker hears `unresolved`. */
  ambiguous = 0
  /** False: nobody answers. */
  reachable = true
  /** False: witnesses answer renewals with `behind`. */
  renewable = true
  cancel: { readonly by: string; readonly reason: string } | undefined
  readonly #digest = plainDigest()
  readonly #runs = new Map<string, SealedAnnouncement>()
  readonly #members: Registers[] = []

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
      profile: () => LEASE_PROFILES.default,
      changeJob: async (jobId, opId, body) => this.#change(signer, jobId, opId, body, clock),
      readJob: async (jobId) => this.#read(jobId),
      renew: async (items) => this.#renew(items),
      hint: async () => undefined
    }
    this.#members.push(member)
    return member
  }

  #change(signer: Signer, jobId: string, opId: string, body: JobOpBody, clock: Clock): JobChange {
    const before = this.states.get(jobId) ?? this.#created(signer, jobId)
    if (!this.reachable) return { kind: 'unresolved', value: undefined }
    const op = signer.jobOp(jobId, opId, body)
    const reduction = reduceJob(before, jobId, op, this.#digest)
    if (reduction.kind === 'reject') {
      return { kind: 'rejected', reason: reduction.reason, value: before }
    }
    const value = reduction.kind === 'next' ? reduction.value : before
    this.states.set(jobId, value)
    for (const member of this.#members) member.board.foldJob(value, clock.wallMs())
    if (this.ambiguous > 0) {
      this.ambiguous -= 1
      return { kind: 'unresolved', value: undefined }
    }
    return { kind: reduction.kind === 'next' ? 'applied' : 'same', value }
  }

  #created(signer: Signer, jobId: string): JobState {
    const sealed = this.#runs.get(runIdOf(jobId))
    const annHash = sealed?.annHash ?? ''
    const body = { kind: 'create', annHash, attemptsMax: 3 } as const
    const made = reduceJob(
      undefined,
      jobId,
      signer.jobOp(jobId, 'c'.repeat(32), body),
      this.#digest
    )
    if (made.kind !== 'next') throw new Error('a create on an empty register is applied')
    return made.value
  }

  #read(jobId: string): JobRead {
    if (!this.reachable) return { kind: 'unreachable', answered: 0 }
    return { kind: 'chosen', state: this.states.get(jobId), leaseRemainingMs: 0 }
  }

  #renew(items: readonly HeldLease[]): readonly RenewOutcome[] {
    this.renewals.push(items)
    return items.map((item) => {
      const state = this.states.get(item.jobId)
      const held = state?.lease?.claimId === item.claimId && state.epoch === item.epoch
      const ok = this.reachable && this.renewable && held
      const stale = this.reachable && !held ? 3 : 0
      const oks = ok ? 3 : 0
      const { jobId } = item
      const cancel = this.cancel ?? state?.cancel
      return { jobId, oks, stale, behind: 0, fenced: 0, quorum: 2, cancel }
    })
  }
}
