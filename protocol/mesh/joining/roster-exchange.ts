import { setMaxListeners } from 'node:events'
import { causeOf, codeOf, MeshError } from '../../core/errors.ts'
import {
  MEMBERS_MAX,
  ROSTER_BYTES_MAX,
  ROSTER_ERRAND_MS_MIN,
  ROSTER_HINTS_BURST,
  ROSTER_HINTS_PER_S_MAX,
  ROSTER_OFFERS_MAX,
  ROSTER_OFFERS_STRANGERS_MAX,
  ROSTER_OFFERS_WINDOW_MS,
  ROSTER_PUSH_MS_MAX,
  ROSTER_REQUEST_MS_MAX,
  ROSTER_RETRY_MS
} from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import type { SealedRoster } from '../../core/roster.ts'
import type { Log } from '../../host/log.ts'
import { PROTOCOLS, TOPICS } from '../../wire/ids.ts'
import { openRoster } from '../../wire/roster-codec.ts'
import type { RosterReply, RosterRequest } from '../../wire/roster-message.ts'
import {
  decodeRosterHint,
  decodeRosterReply,
  decodeRosterRequest,
  encodeRosterHint,
  encodeRosterReply,
  encodeRosterRequest
} from '../../wire/roster-message.ts'
import { WorkMeter } from '../bounds/work-meter.ts'
import type { GossipHandler } from '../links/gossip.ts'
import type { LinkEvent } from '../links/links.ts'
import type { MeshNode } from '../links/node.ts'
import type { RosterBook } from '../members/roster-book.ts'

export interface RosterExchangeParts {
  readonly node: MeshNode
  readonly book: RosterBook
  readonly clock: Clock
  readonly log: Log
}

/** One peer that is being brought to the same roster. */
interface Errand {
  readonly sinceMs: number
  /** Ends the wait before the next try. */
  disarm: (() => void) | undefined
}

const ANY_NEWER = { witnessEpoch: undefined, bytes: undefined }

/**
 * Brings every member the newest roster. On connect each side asks the other for a newer one and
 * hands in its own where the answer shows an older one; on change the same with every linked peer,
 * tried for ROSTER_PUSH_MS_MAX. Members without a link are dialled by the node meanwhile.
 */
export class RosterExchange {
  readonly #parts: RosterExchangeParts
  readonly #errands = new Map<string, Errand>()
  readonly #running = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  readonly #offers: WorkMeter
  readonly #strangers: WorkMeter
  readonly #hints: WorkMeter
  #unsubscribe: readonly (() => void)[] = []

  /** Registers its handlers with the node: construct before `node.start()`. */
  constructor(parts: RosterExchangeParts) {
    this.#parts = parts
    // One exchange a member may listen to it at a time; Node warns above ten.
    setMaxListeners(MEMBERS_MAX, this.#stop.signal)
    // A roster costs a signature check, and a peer without one takes them from anybody.
    this.#offers = offerMeter(parts.clock, ROSTER_OFFERS_MAX, MEMBERS_MAX)
    this.#strangers = offerMeter(parts.clock, ROSTER_OFFERS_STRANGERS_MAX, 1)
    this.#hints = new WorkMeter(parts.clock, {
      unitsPerS: ROSTER_HINTS_PER_S_MAX,
      burstUnits: ROSTER_HINTS_BURST,
      peersMax: MEMBERS_MAX
    })
    const { node } = parts
    node.handle(PROTOCOLS.roster, (remote, body) => this.#serve(remote, body))
    node.subscribe(TOPICS.roster, (from, bytes) => this.#hear(from, bytes))
  }

  /** After `node.start()`, or before it. */
  start(): void {
    const { node, book } = this.#parts
    this.#unsubscribe = [
      node.onLink((event) => this.#onLink(event)),
      book.onChange((sealed) => this.#onChange(sealed))
    ]
    for (const { peerId } of node.links()) this.#send(peerId)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    for (const end of this.#unsubscribe) end()
    for (const errand of this.#errands.values()) errand.disarm?.()
    this.#errands.clear()
    await Promise.all(this.#running)
  }

  /**
   * Asks linked members for the roster of an epoch that this book lacks; false when none has it.
   */
  async fetch(witnessEpoch: number, signal: AbortSignal): Promise<boolean> {
    const { node, book, log } = this.#parts
    for (const { peerId } of node.links()) {
      if (book.at(witnessEpoch) !== undefined) return true
      signal.throwIfAborted()
      try {
        const reply = await this.#ask(peerId, { witnessEpoch, bytes: undefined }, signal)
        if (reply.bytes !== undefined) await book.remember(reply.bytes)
      } catch (error) {
        // One member that lacks it, or is gone, says nothing of the next.
        log.debug({ peer: peerId, witnessEpoch, cause: causeOf(error) }, 'old roster not had')
      }
    }
    return book.at(witnessEpoch) !== undefined
  }

  #onLink({ kind, peerId }: LinkEvent): void {
    if (kind === 'up') this.#send(peerId)
    else this.#end(peerId)
  }

  #onChange({ roster }: SealedRoster): void {
    const { node, log } = this.#parts
    const { version, witnessEpoch } = roster
    log.info({ version, witnessEpoch }, 'roster changed')
    for (const { peerId } of node.links()) this.#send(peerId)
    const hint = encodeRosterHint({ version, witnessEpoch })
    this.#own(
      node.publish(TOPICS.roster, hint).catch((error: unknown) => {
        log.debug({ cause: causeOf(error) }, 'roster hint not published')
      })
    )
  }

  readonly #hear: GossipHandler = (from, bytes) => {
    const version = hintedVersion(bytes, from)
    if (version === undefined) return 'reject'
    // A hint costs every member an exchange, and anybody can make up a version.
    if (!this.#hints.take(from, 1)) return 'ignore'
    const peerId = this.#linkedPeer(from)
    if (version > this.#version() && !this.#isJustBegun(peerId)) this.#send(peerId)
    return 'accept'
  }

  // Ended and begun again and again, an exchange would never come to its answer.
  #isJustBegun(peerId: string | undefined): boolean {
    const errand = peerId === undefined ? undefined : this.#errands.get(peerId)
    if (errand === undefined) return false
    return this.#parts.clock.bootMs() - errand.sinceMs < ROSTER_ERRAND_MS_MIN
  }

  /** The publisher where it is linked, else any member: it has the roster or will have it. */
  #linkedPeer(from: string): string | undefined {
    const peers = this.#parts.node.links().map(({ peerId }) => peerId)
    return peers.includes(from) ? from : peers[0]
  }

  /** Starts over with this peer, whatever was tried before. */
  #send(peerId: string | undefined): void {
    if (peerId === undefined || this.#stop.signal.aborted) return
    this.#end(peerId)
    const errand = { sinceMs: this.#parts.clock.bootMs(), disarm: undefined }
    this.#errands.set(peerId, errand)
    this.#own(this.#run(peerId, errand))
  }

  #end(peerId: string): void {
    this.#errands.get(peerId)?.disarm?.()
    this.#errands.delete(peerId)
  }

  /** Never rejects. */
  async #run(peerId: string, errand: Errand): Promise<void> {
    const { clock, log } = this.#parts
    try {
      await this.#exchange(peerId)
      if (this.#errands.get(peerId) === errand) this.#errands.delete(peerId)
    } catch (error) {
      if (this.#errands.get(peerId) !== errand) return
      const facts = { peer: peerId, code: codeOf(error), cause: causeOf(error) }
      log.debug(facts, 'roster not exchanged')
      const isOver = clock.bootMs() - errand.sinceMs >= ROSTER_PUSH_MS_MAX
      // The next connection starts a new errand.
      if (isOver || isFinal(error)) this.#errands.delete(peerId)
      else errand.disarm = clock.arm(ROSTER_RETRY_MS, () => this.#own(this.#run(peerId, errand)))
    }
  }

  async #exchange(peerId: string): Promise<void> {
    const { signal } = this.#stop
    const reply = await this.#ask(peerId, ANY_NEWER, signal)
    if (reply.bytes !== undefined) await this.#take(peerId, reply.bytes)
    const current = this.#parts.book.current()
    if (current === undefined || reply.version >= current.roster.version) return
    await this.#ask(peerId, { ...ANY_NEWER, bytes: current.bytes }, signal)
  }

  async #ask(
    peerId: string,
    message: Pick<RosterRequest, 'witnessEpoch' | 'bytes'>,
    signal: AbortSignal
  ): Promise<RosterReply> {
    const body = encodeRosterRequest({ version: this.#version(), ...message })
    const options = { timeoutMs: ROSTER_REQUEST_MS_MAX, signal }
    const reply = await this.#parts.node.request(peerId, PROTOCOLS.roster, body, options)
    return decodeRosterReply(reply, peerId)
  }

  async #serve(remote: string, body: Uint8Array): Promise<Uint8Array> {
    const { book } = this.#parts
    const request = decodeRosterRequest(body, remote)
    if (request.bytes !== undefined) await this.#take(remote, request.bytes)
    const version = this.#version()
    if (request.witnessEpoch !== undefined) {
      const bytes = book.sealedAt(request.witnessEpoch)?.bytes
      return encodeRosterReply({ version, bytes })
    }
    const bytes = version > request.version ? book.current()?.bytes : undefined
    return encodeRosterReply({ version, bytes })
  }

  async #take(remote: string, bytes: Uint8Array): Promise<void> {
    const { book, node, log } = this.#parts
    if (bytes.length > ROSTER_BYTES_MAX) {
      const facts = { what: 'the roster', bytes: bytes.length, max: ROSTER_BYTES_MAX }
      throw new MeshError('MESSAGE_TOO_LARGE', facts)
    }
    const isFirst = book.current() === undefined
    if (!this.#offers.take(remote, 1) || (isFirst && !this.#strangers.take('', 1))) {
      throw new MeshError('OVERLOADED', { what: 'the roster exchange', max: ROSTER_OFFERS_MAX })
    }
    if (isFirst) {
      const { roster } = openRoster(bytes, book.authority)
      // Any roster that the authority ever signed would open the door to its members, long gone
      // ones too; one that names this host was made for it.
      if (!roster.members.some(({ peerId }) => peerId === node.peerId)) {
        throw new MeshError('ROSTER_INVALID', { problem: 'this host is not in it' })
      }
    }
    const result = await book.offer(bytes)
    log.debug({ peer: remote, result }, 'roster handed in')
  }

  #version(): number {
    return this.#parts.book.current()?.roster.version ?? 0
  }

  /** Kept until it settles, so that stop() can wait for it. */
  #own(task: Promise<void>): void {
    this.#running.add(task)
    void task.finally(() => this.#running.delete(task))
  }
}

function offerMeter(clock: Clock, burstUnits: number, peersMax: number): WorkMeter {
  const unitsPerS = (burstUnits * 1_000) / ROSTER_OFFERS_WINDOW_MS
  return new WorkMeter(clock, { unitsPerS, burstUnits, peersMax })
}

/** A roster that is refused here or there stays refused. */
function isFinal(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'REQUEST_REFUSED' || code === 'ROSTER_INVALID' || code === 'MESSAGE_INVALID'
}

function hintedVersion(bytes: Uint8Array, from: string): number | undefined {
  try {
    return decodeRosterHint(bytes, from).version
  } catch {
    return undefined
  }
}
