import { codeOf, type MeshError } from '../../core/errors.ts'
import { RENEW_ITEMS_MAX, SYNC_ITEMS_MAX, WITNESS_REGISTERS_MAX } from '../../core/limits.ts'
import type { Hint, RegisterReply, RegisterRequest, RegisterScope } from '../../core/messages.ts'
import type { Clock, Digest, Verifier, WitnessStore } from '../../core/ports.ts'
import { registerKind } from '../../core/register-reducer.ts'
import type { Roster } from '../../core/roster.ts'
import { isLost, memberOf } from '../../core/roster-rules.ts'
import type { Log } from '../../host/log.ts'
import type { AnnouncementFetch } from '../announcements/announcement-fetch.ts'
import type { AnnouncementShelf } from '../announcements/announcement-shelf.ts'
import { TurnClock } from '../bounds/turn-clock.ts'
import type { Equivocations } from '../members/equivocations.ts'
import { rolesOf } from '../members/permissions.ts'
import type { RosterView } from '../members/roster-book.ts'
import type { WitnessSet, WitnessSets } from '../members/witness-sets.ts'
import type { RegisterClient } from '../registers/register-client.ts'
import type { SeenSequences } from '../registers/seen-sequences.ts'
import type { Floors } from './floors.ts'
import { LeaseSweep } from './lease-sweep.ts'
import type { MoveProofs } from './move-proofs.ts'
import { RetentionSweep } from './retention-sweep.ts'
import type { StoreInquiry } from './store-inquiry.ts'
import { WitnessAcceptor } from './witness-acceptor.ts'
import { WitnessJournal } from './witness-journal.ts'
import { type Refusal, refusal } from './witness-refusal.ts'
import { WitnessRegisters } from './witness-registers.ts'
import { WitnessRenewals } from './witness-renewals.ts'
import { WorkPurses } from './work-purses.ts'

export interface WitnessServiceParts {
  readonly store: WitnessStore
  readonly clock: Clock
  readonly digest: Digest
  readonly verifier: Verifier
  readonly rosters: RosterView
  readonly sets: WitnessSets
  readonly shelf: AnnouncementShelf
  readonly fetch: AnnouncementFetch
  readonly floors: Floors
  readonly isDiskLow?: (() => boolean) | undefined
  readonly proofs: Pick<MoveProofs, 'problem'>
  /** For the registers of old runs that are open here alone. */
  readonly client: Pick<RegisterClient, 'read'>
  readonly seen: Pick<SeenSequences, 'of'>
  readonly inquiry: Pick<StoreInquiry, 'pending'>
  readonly peerId: string
  readonly log: Log
  readonly equivocations: Pick<Equivocations, 'hear'>
}

export interface WitnessServiceOptions {
  /** Called once, with STORE_FAILED: nothing is answered any more, the process must end. */
  readonly onFailure: (error: MeshError) => void
  /** Called once, when a witness says that this store once held more than it does now (4.8). */
  readonly onRollback: (cause: string) => void
  /**
   * Called when a lease has run out by this witness's timers, and again; `repeat` counts from 0.
   */
  readonly onExpired: (hint: Hint, repeat: number) => void
  readonly registersMax?: number | undefined
}

type RenewRequest = Extract<RegisterRequest, { readonly kind: 'renew' }>
type SyncRequest = Extract<RegisterRequest, { readonly kind: 'sync' }>

/**
 * What an old copy must not answer: a promise it gave away again, a lease that is another's by now,
 * a value that was replaced.
 */
const SHOWS_REGISTERS: ReadonlySet<RegisterRequest['kind']> = new Set([
  'read',
  'prepare',
  'accept',
  'renew'
])

/**
 * Answers register requests of members as one witness (a Paxos acceptor) of the registers that the
 * roster gives to its store. What each request may cost and who may ask it is decided here, before
 * core sees it.
 */
export class WitnessService {
  readonly #parts: WitnessServiceParts
  readonly #options: WitnessServiceOptions
  readonly #journal: WitnessJournal
  readonly #acceptor: WitnessAcceptor
  readonly #renewals: WitnessRenewals
  readonly #sweep: LeaseSweep
  readonly #retention: RetentionSweep
  readonly #purses: WorkPurses
  /** The store of our own seat, and in which roster: rosters have up to MEMBERS_MAX members. */
  #seat: { readonly roster: Roster | undefined; readonly storeId: string | undefined } = {
    roster: undefined,
    storeId: undefined
  }

  constructor(parts: WitnessServiceParts, options: WitnessServiceOptions) {
    this.#parts = parts
    this.#options = options
    const { store, clock } = parts
    const registersMax = options.registersMax ?? WITNESS_REGISTERS_MAX
    const registers = new WitnessRegisters(store, () => clock.bootMs(), registersMax)
    this.#journal = new WitnessJournal({ store, registers }, options.onFailure)
    const turn = new TurnClock(clock)
    const nowMs = (remote: string): number => {
      return remote === parts.peerId ? clock.bootMs() : turn.bootMs()
    }
    const common = { ...parts, registers, journal: this.#journal, nowMs }
    const onFetched = (asker: string, bytes: number, gateway: string | undefined): void => {
      if (asker !== parts.peerId) this.#purses.fetched(asker, bytes, gateway)
    }
    this.#acceptor = new WitnessAcceptor({ ...common, onFetched })
    const scoped = (scope: RegisterScope): WitnessSet | undefined => {
      return this.#isLost(scope) ? undefined : this.#setOf(scope)
    }
    this.#renewals = new WitnessRenewals({ ...common, scoped })
    this.#sweep = new LeaseSweep({ registers, clock }, options.onExpired)
    const onDropped = (annHash: string): void => this.#acceptor.forget(annHash)
    this.#retention = new RetentionSweep({ ...parts, registers, onDropped })
    this.#purses = new WorkPurses(clock)
  }

  /** Before the first request. Rejects with STORE_FAILED. */
  async start(): Promise<void> {
    await this.#parts.floors.start()
    await this.#journal.start()
    this.#sweep.start()
    this.#retention.start()
  }

  async stop(): Promise<void> {
    this.#sweep.stop()
    await this.#retention.stop()
  }

  /** Drops what may go now; by itself this happens every RETENTION_SWEEP_EVERY_MS. */
  async sweepEnded(): Promise<void> {
    await this.#retention.sweep()
  }

  /** Takes in which sequence of our store another witness was shown (4.8). */
  hearSeen(peerId: string, seq: number): void {
    if (seq > this.#journal.shownSeq) this.#rolledBack(peerId, seq)
  }

  /** Charges a member for bytes that it has made us send or take in. */
  chargeBytes(peerId: string, bytes: number): void {
    if (peerId !== this.#parts.peerId) this.#purses.owe(peerId, bytes)
  }

  /**
   * Rejects with STORE_FAILED or STORE_SUSPECT once the store has failed; everything else is a
   * reply. `bytes` is what the request took on its way here.
   */
  async handle(remote: string, request: RegisterRequest, bytes = 0): Promise<RegisterReply> {
    this.#journal.assertWhole()
    if (!this.#isMember(remote)) return refusal('not_allowed', 'not a member')
    // Our own requests pass: they are bounded where they are made.
    const isOwn = remote === this.#parts.peerId
    if (!isOwn && !this.#purses.pay(remote, request, bytes)) {
      return refusal('overload', 'too much asked at once')
    }
    try {
      const mustWait = this.#parts.inquiry.pending !== undefined
      if (mustWait && SHOWS_REGISTERS.has(request.kind)) await this.#inquired()
      const reply = await this.#answer(remote, request)
      // A failure while this one waited must not let it out either.
      this.#journal.assertWhole()
      return reply
    } catch (error) {
      if (codeOf(error) === 'OVERLOADED') return refusal('overload', 'every place is in use')
      throw error
    }
  }

  // Before every one that was asked has answered, what is here may be an old copy.
  async #inquired(): Promise<void> {
    const { inquiry } = this.#parts
    for (let wait = inquiry.pending; wait !== undefined; wait = inquiry.pending) await wait
    this.#journal.assertWhole()
  }

  #answer(remote: string, request: RegisterRequest): RegisterReply | Promise<RegisterReply> {
    switch (request.kind) {
      case 'read': {
        const set = this.#placeOf(request.scope)
        if ('kind' in set) return set
        return this.#acceptor.read({ remote, set }, request.scope)
      }
      case 'prepare': {
        const set = this.#livingPlaceOf(request.scope)
        return 'kind' in set ? set : this.#acceptor.prepare({ remote, set }, request)
      }
      case 'accept': {
        const set = this.#livingPlaceOf(request.scope)
        return 'kind' in set ? set : this.#acceptor.accept({ remote, set }, request)
      }
      case 'renew': {
        if (request.items.length > RENEW_ITEMS_MAX) return refusal('invalid', 'too many items')
        return this.#renew(remote, request)
      }
      case 'sync':
        return this.#sync(remote, request)
      case 'announcement':
        return this.#announcement(remote, request.annHash)
      case 'seen':
        return { kind: 'seen', seq: this.#parts.seen.of(remote, request.storeId) }
      default:
        return request satisfies never
    }
  }

  async #announcement(remote: string, annHash: string): Promise<RegisterReply> {
    const sealed = await this.#parts.shelf.find(annHash)
    this.chargeBytes(remote, sealed?.bytes.byteLength ?? 0)
    return { kind: 'announcement', bytes: sealed?.bytes }
  }

  /** Who keeps the register with this witness, or why it is none of its own. */
  #placeOf(scope: RegisterScope): WitnessSet | Refusal {
    const set = this.#setOf(scope)
    if (set !== undefined) return set
    if (scope.storeId !== this.#parts.store.storeId) {
      return refusal('wrong_store', 'this witness has another store')
    }
    if (registerKind(scope.register) === undefined) return refusal('invalid', 'no register')
    return refusal('wrong_roster', 'not a witness of it in that epoch')
  }

  /** For what would change or keep alive anything: what was given up must not come back to life. */
  #livingPlaceOf(scope: RegisterScope): WitnessSet | Refusal {
    if (this.#isLost(scope)) return refusal('wrong_roster', 'that witness epoch was given up')
    return this.#placeOf(scope)
  }

  #isLost({ witnessEpoch }: RegisterScope): boolean {
    return isLost(this.#parts.rosters.current()?.roster, witnessEpoch)
  }

  #setOf(scope: RegisterScope): WitnessSet | undefined {
    const { sets, store, peerId } = this.#parts
    const { register, witnessEpoch, storeId } = scope
    if (storeId !== store.storeId || registerKind(register) === undefined) return undefined
    if (this.#isReplaced()) return undefined
    const set = sets.of(register, witnessEpoch)
    const isOurs = set?.witnesses.some((ref) => ref.peerId === peerId && ref.storeId === storeId)
    return isOurs === true ? set : undefined
  }

  // Its data was lost once, or nobody would have signed another: what is here now is an old copy.
  #isReplaced(): boolean {
    const { rosters, store, peerId } = this.#parts
    const roster = rosters.current()?.roster
    if (roster !== this.#seat.roster) {
      const found = roster?.members.find((member) => member.peerId === peerId)?.witness
      this.#seat = { roster, storeId: found?.storeId }
    }
    const { storeId } = this.#seat
    return storeId !== undefined && storeId !== store.storeId
  }

  async #renew(remote: string, { items, seenSeq }: RenewRequest): Promise<RegisterReply> {
    const { storeId } = this.#parts.store
    const isOurs = items.every(({ scope }) => scope.storeId === storeId)
    if (isOurs && seenSeq > this.#journal.shownSeq) return this.#rolledBack(remote, seenSeq)
    return { kind: 'renewed', items: await this.#renewals.renew(remote, items) }
  }

  async #sync(remote: string, request: SyncRequest): Promise<RegisterReply> {
    const { store } = this.#parts
    const { sinceSeq, openOnly } = request
    if (request.storeId !== store.storeId) return refusal('wrong_store', 'another store')
    const seenSeq = Math.max(sinceSeq, request.seenSeq)
    if (seenSeq > this.#journal.shownSeq) return this.#rolledBack(remote, seenSeq)
    const limit = Math.max(1, Math.min(request.limit, SYNC_ITEMS_MAX))
    const page = await store.changes(sinceSeq, limit, openOnly)
    this.#journal.show(page.next)
    return { kind: 'synced', storeId: store.storeId, ...page }
  }

  // Someone has seen more of this store than it holds: a restored backup. A witness is believed, as
  // everywhere in this protocol; from others it is a refusal, or any member could stop every
  // witness.
  #rolledBack(remote: string, seenSeq: number): RegisterReply {
    const { rosters, log } = this.#parts
    const { shownSeq } = this.#journal
    log.error({ peer: remote, seenSeq, shownSeq }, 'a higher sequence was claimed')
    if (rolesOf(rosters.current()?.roster, remote).includes('witness')) {
      const cause = `${remote} saw sequence ${seenSeq} of ${shownSeq}`
      // At once: the store's own end comes later, and until then memory would still answer.
      if (this.#journal.distrust(cause)) this.#options.onRollback(cause)
    }
    return refusal('wrong_store', 'this store never reached that sequence')
  }

  #isMember(remote: string): boolean {
    const { rosters, clock } = this.#parts
    const roster = rosters.current()?.roster
    return roster !== undefined && memberOf(roster, remote, clock.wallMs()) !== undefined
  }
}
