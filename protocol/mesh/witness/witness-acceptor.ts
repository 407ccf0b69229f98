import {
  type AcceptorContext,
  type AcceptorState,
  type AcceptRequest,
  accept,
  type PrepareRequest,
  prepare,
  read
} from '../../core/acceptor.ts'
import { compareBallots, highestBallot, NO_BALLOT } from '../../core/ballot.ts'
import { answerMs } from '../../core/lease-profile.ts'
import { ANNOUNCEMENT_TERMS_MAX, MANIFEST_BYTES_MAX } from '../../core/limits.ts'
import type {
  Accepted,
  AnnouncementRef,
  RegisterReply,
  RegisterScope,
  RegisterValue
} from '../../core/messages.ts'
import { isLanding } from '../../core/move.ts'
import type { Digest, Verifier } from '../../core/ports.ts'
import type { SealedAnnouncement } from '../../core/run.ts'
import { isSealed } from '../../core/run-reducer.ts'
import type { Log } from '../../host/log.ts'
import type { AnnouncementFetch, FetchedFrom } from '../announcements/announcement-fetch.ts'
import { type AnnouncementShelf, opened } from '../announcements/announcement-shelf.ts'
import { AnnouncementTerms } from '../announcements/announcement-terms.ts'
import { Lru } from '../bounds/lru.ts'
import type { Equivocations } from '../members/equivocations.ts'
import { mayAct, moveProblem } from '../members/permissions.ts'
import type { RosterView } from '../members/roster-book.ts'
import type { WitnessSet } from '../members/witness-sets.ts'
import type { Floors } from './floors.ts'
import type { MoveProofs } from './move-proofs.ts'
import { ValueChecks } from './value-checks.ts'
import type { WitnessJournal } from './witness-journal.ts'
import { refusal } from './witness-refusal.ts'
import type { WitnessRegister, WitnessRegisters } from './witness-registers.ts'

export interface WitnessAcceptorParts {
  readonly registers: WitnessRegisters
  readonly journal: WitnessJournal
  readonly rosters: RosterView
  /** Boot time for what this peer asks. */
  readonly nowMs: (remote: string) => number
  readonly digest: Digest
  readonly verifier: Verifier
  readonly shelf: AnnouncementShelf
  readonly fetch: AnnouncementFetch
  readonly floors: Pick<Floors, 'of'>
  /** True while the disk is nearly full: no new register is begun. */
  readonly isDiskLow?: (() => boolean) | undefined
  readonly proofs: Pick<MoveProofs, 'problem'>
  readonly log: Log
  /**
   * Called with what was read or fetched for a member's request, and by whose announcement where
   * the member did no more than relay that.
   */
  readonly onFetched: (asker: string, bytes: number, gateway: string | undefined) => void
  readonly equivocations: Pick<Equivocations, 'hear'>
}

const NO_ROOM = 'the disk of this witness is nearly full: it begins no new register'

/** A request of an admitted member in a scope that this witness keeps. */
export interface Asked {
  readonly remote: string
  readonly set: WitnessSet
}

/**
 * The acceptor of core over this witness's registers: looks up what the rules need to know, applies
 * them in one turn, and replies once the journal says so. Every await comes before the step, or two
 * messages for one register would be interleaved and a promise lost (lease-protocol 2, pitfall 13).
 */
export class WitnessAcceptor {
  readonly #parts: WitnessAcceptorParts
  readonly #values: ValueChecks
  readonly #terms = new AnnouncementTerms()
  /** Announcements that were handed to the store since this process started. */
  readonly #stored = new Lru<string, true>(ANNOUNCEMENT_TERMS_MAX)

  constructor(parts: WitnessAcceptorParts) {
    this.#parts = parts
    this.#values = new ValueChecks(parts)
  }

  async read(asked: Asked, scope: RegisterScope): Promise<RegisterReply> {
    return await this.#with(scope, async (register) => {
      const step = read(register.state, scope.ann, this.#context(asked))
      return await this.#parts.journal.commit(register, step)
    })
  }

  async prepare(asked: Asked, request: PrepareRequest): Promise<RegisterReply> {
    return await this.#withRoom(request.scope, async (register) => {
      const step = prepare(register.state, request, this.#context(asked))
      return await this.#parts.journal.commit(register, step)
    })
  }

  async accept(asked: Asked, request: AcceptRequest): Promise<RegisterReply> {
    return await this.#withRoom(request.scope, async (register) => {
      const { value } = request
      const known = register.state.record.accepted?.value
      // A sealed register has no announcement, and never will.
      const isFirst =
        !isSealed(value) && (known?.annHash !== value.annHash || this.#lands(request, known))
      const isNew = isFirst && !this.#isOnRecord(value.annHash)
      const sealed = isNew ? await this.#announcementOf(asked, request) : undefined
      const problem = await this.#problem(asked, request, isFirst)
      if (problem !== undefined) return problem
      // From here to the commit nothing awaits.
      const context = this.#acceptContext(asked, request, register.state)
      if (context === undefined) return refusal('not_allowed', 'its actor has no role for the op')
      const step = accept(register.state, request, context)
      this.#alarm(asked, request, { reply: step.reply, known: register.state.record.accepted })
      const saves = step.durability === 'save'
      const announcement = saves && sealed !== undefined ? this.#toStore(sealed) : undefined
      return await this.#parts.journal.commit(register, step, announcement)
    })
  }

  /** A run that comes back after its drop is another's word for it: its bytes are kept anew. */
  forget(annHash: string): void {
    this.#stored.delete(annHash)
  }

  // What holds a value goes on: an end of a job takes little room and makes more.
  async #withRoom(
    scope: RegisterScope,
    use: (register: WitnessRegister) => Promise<RegisterReply>
  ): Promise<RegisterReply> {
    return await this.#with(scope, async (register) => {
      const { record, dropped } = register.state
      const isNew = record.accepted === undefined && !dropped
      if (isNew && this.#parts.isDiskLow?.() === true) return refusal('disk_low', NO_ROOM)
      return await use(register)
    })
  }

  /** A landing is believed by where it comes from alone, whatever lies here before it. */
  #lands({ value }: AcceptRequest, known: RegisterValue | undefined): boolean {
    const { digest } = this.#parts
    if (!isLanding(value)) return false
    return known === undefined || digest.hash(known) !== digest.hash(value)
  }

  /** By which announcement a first value here is known, whatever its sender says. */
  #announced(value: RegisterValue, known: RegisterValue | undefined): AnnouncementRef | undefined {
    if (isSealed(value) || known?.annHash === value.annHash) return undefined
    return this.#terms.refOf(value.annHash)
  }

  async #with(
    scope: RegisterScope,
    use: (register: WitnessRegister) => Promise<RegisterReply>
  ): Promise<RegisterReply> {
    const { registers } = this.#parts
    const { register: name, witnessEpoch } = scope
    const register = await registers.take({ register: name, witnessEpoch })
    try {
      return await use(register)
    } finally {
      registers.release(register)
    }
  }

  #context({ remote, set }: Asked): AcceptorContext {
    const { nowMs, digest } = this.#parts
    return {
      nowMs: nowMs(remote),
      remote,
      remoteIsMember: true,
      leaseMs: set.profile.leaseMs,
      valueValid: false,
      proposalValid: false,
      digest,
      createValid: false,
      floorOf: (gateway) => this.#parts.floors.of(gateway),
      announced: undefined
    }
  }

  /** Undefined when the value's actor has no role for it. */
  #acceptContext(
    asked: Asked,
    request: AcceptRequest,
    state: AcceptorState
  ): AcceptorContext | undefined {
    const { scope, ballot, value, proposerSig } = request
    const base = this.#context(asked)
    const { promised, accepted } = state.record
    const last = accepted?.ballot ?? NO_BALLOT
    const isLate = compareBallots(ballot, highestBallot(promised, last)) < 0
    // A late accept is refused anyway; whoever sends many must not get signatures checked for them.
    // Not so one under the ballot accepted last: unsigned, another value would make its proposer
    // look false.
    if (isLate && compareBallots(ballot, last) !== 0) return { ...base, proposalValid: true }
    if (!mayAct(value, asked.set.roster, this.#parts.rosters.current()?.roster)) return undefined
    const { verifier } = this.#parts
    const proposal = { ballot, value, proposerSig }
    const isOwn = ballot.peer === asked.remote
    return {
      ...base,
      valueValid: this.#values.isSigned(value),
      proposalValid: isOwn || verifier.proposal(scope.register, scope.witnessEpoch, proposal),
      // The first value was held against its announcement above.
      createValid: true,
      announced: this.#announced(value, accepted?.value)
    }
  }

  /**
   * The announcement of a first value: sent along, at hand, or asked of the sender and the others.
   */
  async #announcementOf(
    { remote, set }: Asked,
    { announcement, value }: AcceptRequest
  ): Promise<SealedAnnouncement | undefined> {
    const { shelf, fetch } = this.#parts
    if (announcement !== undefined) {
      if (announcement.byteLength > MANIFEST_BYTES_MAX) return undefined
      const sealed = opened(announcement, value.annHash)
      if (sealed === undefined) return undefined
      shelf.put(sealed)
      this.#terms.learn(sealed)
      return sealed
    }
    const peers = [remote, ...set.witnesses.map(({ peerId }) => peerId)]
    const timeoutMs = answerMs(set.profile)
    const isUnknown = !this.#terms.has(value.annHash)
    let from: FetchedFrom | undefined
    const onFetched = (source: FetchedFrom): void => {
      from = source
    }
    const sealed = await fetch.get(value.annHash, peers, { timeoutMs, onFetched })
    if (sealed === undefined) return undefined
    this.#terms.learn(sealed)
    if (from === undefined) return sealed
    const isRelayed = isUnknown && from === 'peer' && this.#isRelayed(sealed, value, set)
    const gateway = isRelayed ? sealed.announcement.gateway : undefined
    // Else what is too dear to send would be had by leaving it out.
    this.#parts.onFetched(remote, sealed.bytes.byteLength, gateway)
    return sealed
  }

  /** Whether any member had to bring it here: else its sender chose to, and pays for it. */
  #isRelayed(sealed: SealedAnnouncement, value: RegisterValue, { roster }: WitnessSet): boolean {
    const { gateway, gwSeq, witnessEpoch } = sealed.announcement
    // What has moved here, or is closed, may be any of all that a gateway ever announced.
    if (witnessEpoch !== roster.witnessEpoch || gwSeq <= this.#parts.floors.of(gateway))
      return false
    return this.#terms.problem(value, roster) === undefined
  }

  async #problem(
    asked: Asked,
    request: AcceptRequest,
    isFirst: boolean
  ): Promise<RegisterReply | undefined> {
    const strange = isFirst ? await this.#firstProblem(asked, request) : undefined
    return strange ?? this.#moveProblem(asked, request)
  }

  async #firstProblem(
    { remote: asker, set }: Asked,
    { announcement, value, scope }: AcceptRequest
  ): Promise<RegisterReply | undefined> {
    if (!this.#terms.has(value.annHash)) {
      if (announcement !== undefined) return refusal('invalid', 'not the announcement of its hash')
      return refusal('announcement_missing', 'no announcement of that hash was found')
    }
    const problem = this.#terms.problem(value, set.roster)
    if (problem !== undefined) return refusal('invalid', problem)
    const fromEpoch = this.#terms.epochOf(value.annHash)
    if (fromEpoch === undefined) return undefined
    if (fromEpoch === scope.witnessEpoch) {
      return isLanding(value) ? refusal('invalid', 'the job began here') : undefined
    }
    return await this.#parts.proofs.problem({ scope, value, fromEpoch, asker })
  }

  #moveProblem({ set }: Asked, { value }: AcceptRequest): RegisterReply | undefined {
    const { rosters } = this.#parts
    const current = rosters.current()?.roster
    const problem = moveProblem(value, set, current)
    if (problem !== undefined) return refusal('not_allowed', problem)
    const target = value.kind === 'job' ? value.moved?.witnessEpoch : undefined
    // To an epoch that never was a job would move for ever.
    if (target === undefined || target <= (current?.witnessEpoch ?? 0)) return undefined
    return refusal('wrong_roster', 'no roster of the epoch that it moves to')
  }

  #isOnRecord(annHash: string): boolean {
    return this.#terms.has(annHash) && this.#stored.has(annHash)
  }

  // Handed in once a process: a second copy of a megabyte in the log helps nobody.
  #toStore({ annHash, bytes }: SealedAnnouncement) {
    if (this.#stored.get(annHash) !== undefined) return undefined
    this.#stored.set(annHash, true)
    return { annHash, bytes }
  }

  #alarm(
    { remote }: Asked,
    { scope, ballot, value, proposerSig }: AcceptRequest,
    { reply, known: first }: { readonly reply: RegisterReply; readonly known: Accepted | undefined }
  ): void {
    if (reply.kind !== 'rejected' || reply.code !== 'equivocation' || first === undefined) return
    // Two values under one ballot: its proposer is broken or lies.
    const { register, witnessEpoch } = scope
    const { log, equivocations } = this.#parts
    log.error({ register, witnessEpoch, ballot, peer: remote }, 'equivocation found')
    const { peer } = ballot
    const second = { ballot, value, proposerSig }
    equivocations.hear({ kind: 'proposals', peer, register, witnessEpoch, first, second })
  }
}
