import { codeOf } from '../core/errors.ts'
import { LEASE_PROFILES } from '../core/lease-profile.ts'
import { SYNC_ITEMS_MAX, SYNC_PAGES_MAX } from '../core/limits.ts'
import type { RegisterReply, SyncItem } from '../core/messages.ts'
import type { Clock, Random, Transport } from '../core/ports.ts'
import { formerWitnesses, type WitnessRef, witnessRefs } from '../core/witnesses.ts'
import type { Log } from '../host/log.ts'
import type { BoardFeed } from './board-feed.ts'
import { FirstLook } from './first-look.ts'
import type { Lead } from './lead-queue.ts'
import type { LinkEvent } from './links.ts'
import type { RosterView } from './roster-book.ts'
import type { SeenSequences } from './seen-sequences.ts'
import { stopController } from './stop-controller.ts'
import { syncCover } from './sync-cover.ts'

export interface AntiEntropyParts {
  readonly transport: Transport
  readonly rosters: RosterView
  readonly feed: Pick<BoardFeed, 'want' | 'room' | 'past'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly seen: Pick<SeenSequences, 'of'>
  /** Peers that a connection exists to. */
  readonly linked: () => ReadonlySet<string>
  readonly onLink: (listener: (event: LinkEvent) => void) => () => void
}

/** How far one store was followed. */
interface Cursor {
  /** Open registers come first after a start, so that work is found before history. */
  openDone: boolean
  /** Undefined once the end of the store was seen: what comes after it is news. */
  look: FirstLook | undefined
  /** Leads of the first look that there was no room for. */
  left: Lead[]
  seq: number
}

/** What of a page is to be followed at once. */
type Take = (item: SyncItem, lead: Lead) => Lead | undefined

type Synced = Extract<RegisterReply, { readonly kind: 'synced' }>

/** Share by which a period may be shorter or longer: members that started together drift apart. */
const JITTER = 0.2

/**
 * Repairs what gossip lost (lease-protocol 4.11): asks every linked witness, on connect and each
 * period, what changed since the last time. That is one small request a witness and period when
 * nothing did; what did is a lead for the board's feed, which reads the registers themselves.
 */
export class AntiEntropy {
  readonly #parts: AntiEntropyParts
  readonly #cursors = new Map<string, Cursor>()
  /** Visits under way, by store. */
  readonly #visits = new Map<string, Promise<void>>()
  readonly #stop = stopController()
  #period = 0
  #disarm: (() => void) | undefined
  #unsubscribe: readonly (() => void)[] = []

  constructor(parts: AntiEntropyParts) {
    this.#parts = parts
  }

  start(): void {
    const { onLink, rosters } = this.#parts
    this.#unsubscribe = [
      onLink(({ kind, peerId }) => {
        if (kind === 'up') this.#visitPeer(peerId)
      }),
      // New witnesses may hold what the old ones never had, and the period may be another.
      rosters.onChange(() => this.#arm(0, JITTER))
    ]
    this.#round()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#disarm?.()
    await Promise.all(this.#visits.values())
  }

  /** Visits all witnesses of this period's turn, and arms the next one. */
  #round(): void {
    const { rosters, linked, transport } = this.#parts
    const roster = rosters.current()?.roster
    if (roster !== undefined) {
      const former = formerWitnesses(roster, (epoch) => rosters.at(epoch))
      this.#forgetOthers([...witnessRefs(roster), ...former])
      const peers = linked()
      const here = (ref: WitnessRef) => ref.peerId === transport.peerId || peers.has(ref.peerId)
      const witnesses = witnessRefs(roster).filter(here)
      for (const ref of syncCover(witnesses, roster.w, this.#period)) this.#visit(ref)
      // They get nothing new: one a period is enough to find what nobody else has.
      const shown = former.filter(here)
      const next = shown[this.#period % Math.max(1, shown.length)]
      if (next !== undefined) this.#visit(next)
    }
    this.#period += 1
    this.#arm(1 - JITTER, 1 + JITTER)
  }

  /** The next round, after a time between these shares of a period. */
  #arm(least: number, most: number): void {
    const { rosters, clock, random } = this.#parts
    const { antiEntropyMs } = LEASE_PROFILES[rosters.current()?.roster.lease ?? 'default']
    this.#disarm?.()
    if (this.#stop.signal.aborted) return
    const share = least + (most - least) * random.next()
    this.#disarm = clock.arm(antiEntropyMs * share, () => this.#round())
  }

  #visitPeer(peerId: string): void {
    const roster = this.#parts.rosters.current()?.roster
    const refs = roster === undefined ? [] : witnessRefs(roster)
    for (const ref of refs) {
      if (ref.peerId === peerId) this.#visit(ref)
    }
  }

  // A store that no roster names any more is not asked again: its cursor would only take room.
  #forgetOthers(refs: readonly WitnessRef[]): void {
    const stores = new Set(refs.map(({ storeId }) => storeId))
    for (const storeId of this.#cursors.keys()) {
      if (!stores.has(storeId)) this.#cursors.delete(storeId)
    }
  }

  #visit(ref: WitnessRef): void {
    if (this.#stop.signal.aborted || this.#visits.has(ref.storeId)) return
    const visit = this.#pages(ref)
      .catch((error: unknown) => this.#failed(ref, error))
      .finally(() => this.#visits.delete(ref.storeId))
    this.#visits.set(ref.storeId, visit)
  }

  #failed(ref: WitnessRef, error: unknown): void {
    if (this.#stop.signal.aborted) return
    const level = codeOf(error) === undefined ? 'error' : 'debug'
    this.#parts.log[level]({ err: error, peer: ref.peerId }, 'sync failed')
  }

  async #pages(ref: WitnessRef): Promise<void> {
    const cursor = this.#cursorOf(ref)
    // Runs come with the first look: with open registers alone nobody could tell ended ones.
    const jobs: Take = ({ phase }, lead) => (phase === 'run' ? undefined : lead)
    if (!cursor.openDone)
      cursor.openDone = await this.#follow(ref, 0, { openOnly: true, take: jobs })
    if (!cursor.openDone || !this.#followLeft(cursor)) return
    const { look, seq } = cursor
    const take: Take = (item, lead) => (look === undefined ? lead : look.take(item, lead))
    const isAtEnd = await this.#follow(ref, seq, { openOnly: false, take }, (next) => {
      cursor.seq = next
    })
    if (look !== undefined && isAtEnd) this.#sort(cursor, look)
  }

  #cursorOf({ storeId }: WitnessRef): Cursor {
    const known = this.#cursors.get(storeId)
    if (known !== undefined) return known
    const cursor = { openDone: false, look: new FirstLook(), left: [], seq: 0 }
    this.#cursors.set(storeId, cursor)
    return cursor
  }

  /** What the first look has shown goes its ways: work now, history when there is time. */
  #sort(cursor: Cursor, look: FirstLook): void {
    const { open, past } = look.finish()
    cursor.look = undefined
    cursor.left = [...open]
    for (const run of past) {
      if (!this.#parts.feed.past(run)) cursor.left.push(run.lead, ...run.ended.values())
    }
    this.#followLeft(cursor)
  }

  /** False while there is no room for all of it. */
  #followLeft(cursor: Cursor): boolean {
    const { feed } = this.#parts
    for (let lead = cursor.left.pop(); lead !== undefined; lead = cursor.left.pop()) {
      if (feed.room <= 0) {
        cursor.left.push(lead)
        return false
      }
      feed.want(lead)
    }
    return true
  }

  /** True when it came to the end of what there is. */
  async #follow(
    ref: WitnessRef,
    fromSeq: number,
    { openOnly, take }: { readonly openOnly: boolean; readonly take: Take },
    moved: (seq: number) => void = () => undefined
  ): Promise<boolean> {
    const { feed } = this.#parts
    let sinceSeq = fromSeq
    for (let page = 0; page < SYNC_PAGES_MAX; page += 1) {
      if (feed.room < SYNC_ITEMS_MAX) return false
      const synced = await this.#ask(ref, sinceSeq, openOnly)
      // Without room the cursor must not move on: what it passes is not shown again.
      if (synced === undefined || feed.room < synced.items.length) return false
      for (const item of synced.items) {
        const lead = take(item, leadOf(ref, item))
        if (lead !== undefined) feed.want(lead)
      }
      sinceSeq = synced.next
      moved(sinceSeq)
      if (!synced.more) return true
    }
    return false
  }

  async #ask(ref: WitnessRef, sinceSeq: number, openOnly: boolean): Promise<Synced | undefined> {
    const { transport, rosters, log, seen } = this.#parts
    const roster = rosters.current()?.roster
    const timeoutMs = LEASE_PROFILES[roster?.lease ?? 'default'].requestTimeoutMs
    const { storeId, peerId } = ref
    const seenSeq = seen.of(peerId, storeId)
    const reply = await transport.request(
      peerId,
      { kind: 'sync', storeId, sinceSeq, limit: SYNC_ITEMS_MAX, openOnly, seenSeq },
      { timeoutMs, signal: this.#stop.signal }
    )
    // Only forward, and no more than asked for: else one broken witness could keep us busy for
    // ever.
    if (reply.kind === 'synced' && isInOrder(reply, storeId, sinceSeq)) return reply
    const code = reply.kind === 'rejected' ? reply.code : 'invalid'
    log.warn({ peer: peerId, code, sinceSeq }, 'sync refused')
    return undefined
  }
}

function leadOf({ peerId }: WitnessRef, item: SyncItem): Lead {
  const { register, witnessEpoch, version, annHash } = item
  const told = { peers: [peerId], source: 'sync', tries: 0 } as const
  return { register, witnessEpoch, version, annHash, ...told }
}

function isInOrder(reply: Synced, storeId: string, sinceSeq: number): boolean {
  if (reply.storeId !== storeId || reply.items.length > SYNC_ITEMS_MAX) return false
  return reply.more ? reply.next > sinceSeq : reply.next >= sinceSeq
}
