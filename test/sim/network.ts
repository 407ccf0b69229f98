import type { RegisterReply, RegisterRequest } from '../../protocol/core/messages.ts'
import type { Roster } from '../../protocol/core/roster.ts'
import type { Timeline } from '../support/timeline.ts'
import type { SimProcess } from './process.ts'

export interface NetworkOptions {
  /** Share of messages, requests and replies alike, that get lost or come twice. */
  readonly lossRate: number
  readonly duplicateRate: number
  /** Most messages take up to this; one in ten up to `strayMsMax`, and so overtakes others. */
  readonly delayMsMax: number
  readonly strayMsMax: number
}

export type Receive = (
  remote: string,
  message: RegisterRequest,
  reply: (reply: RegisterReply) => void
) => void

interface Peer {
  readonly process: SimProcess
  readonly receive: Receive
  readonly hear: (remote: string, gossip: Gossip) => void
}

/** What may be gossiped: a register that changed, or who has which room. */
export type Gossip =
  | {
      readonly kind: 'hint'
      readonly register: string
      readonly witnessEpoch: number
      readonly version: number
      readonly annHash: string
      /** Of a run that is announced: whoever reads another date believes none of it. */
      readonly issuedAtMs?: number
    }
  | { readonly kind: 'advertisement'; readonly body: object }
  | { readonly kind: 'rosters'; readonly rosters: readonly Roster[] }

/** Messages between hosts: lost, late, doubled, cut one way, clogged, as the seed has it. */
export class Network {
  options: NetworkOptions
  readonly #timeline: Timeline
  readonly #peers = new Map<string, Peer>()
  readonly #cut = new Set<string>()
  readonly #clogged = new Map<string, number>()
  readonly #alone = new Set<string>()
  /** When the last message of each way arrives. */
  readonly #lastMs = new Map<string, number>()
  readonly #count: (what: string) => void
  gossipLossRate = 0
  /** Told of each request when it is sent. */
  onRequest: (from: string, to: string, message: RegisterRequest) => void = () => undefined

  constructor(timeline: Timeline, options: NetworkOptions, count: (what: string) => void) {
    this.#timeline = timeline
    this.#count = count
    this.options = options
  }

  join(peer: Peer): void {
    this.#peers.set(peer.process.peerId, peer)
  }

  /** Nothing gets from one to the other; the way back stays open. */
  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`)
  }

  /** What is sent this way until then arrives only afterwards, all at once. */
  clog(from: string, to: string, untilMs: number): void {
    this.#clogged.set(`${from}>${to}`, untilMs)
  }

  /** Nothing gets to it or from it, until it is let in again: `heal` does not. */
  isolate(peer: string): void {
    this.#alone.add(peer)
  }

  rejoin(peer: string): void {
    this.#alone.delete(peer)
  }

  isAlone(peer: string): boolean {
    return this.#alone.has(peer)
  }

  /** A connection is there, as both ends see it: one that is cut one way does not last. */
  isLinked(one: string, other: string): boolean {
    if (this.#alone.has(one) || this.#alone.has(other)) return false
    return !this.#cut.has(`${one}>${other}`) && !this.#cut.has(`${other}>${one}`)
  }

  heal(): void {
    this.#cut.clear()
    this.#clogged.clear()
  }

  /**
   * Asks once. `answer` gets every copy of the reply, however late, and undefined where none came
   * in time.
   */
  request(
    from: SimProcess,
    to: string,
    message: RegisterRequest,
    timeoutMs: number,
    answer: (reply: RegisterReply | undefined) => void
  ): void {
    this.onRequest(from.peerId, to, message)
    const { boot } = from
    const peer = this.#peers.get(to)
    let isAnswered = false
    const hear = (reply: RegisterReply): void => {
      isAnswered = true
      answer(reply)
    }
    // Asked over a link that has just come up: on such a one nothing is lost.
    const isSure = message.kind === 'seen'
    this.#carry(from.peerId, to, isSure, () => {
      if (peer === undefined) return
      peer.process.run(peer.process.boot, () => {
        peer.receive(from.peerId, message, (reply) => {
          this.#carry(to, from.peerId, isSure, () => from.run(boot, () => hear(reply)))
        })
      })
    })
    from.arm(timeoutMs, () => {
      if (!isAnswered) answer(undefined)
    })
  }

  /** A copy of a request that comes at last; nobody waits for its answer any more. */
  replay(from: string, to: string, message: RegisterRequest): void {
    const peer = this.#peers.get(to)
    peer?.process.run(peer.process.boot, () => peer.receive(from, message, () => undefined))
  }

  /** To everybody else, and no more than a hint. */
  gossip(from: SimProcess, gossip: Gossip): void {
    for (const [peerId, peer] of this.#peers) {
      // Rosters go over each connection, not by gossip.
      const lossRate = gossip.kind === 'rosters' ? 0 : this.gossipLossRate
      if (peerId === from.peerId || this.#timeline.random() < lossRate) continue
      this.#carry(from.peerId, peerId, false, () => {
        peer.process.run(peer.process.boot, () => peer.hear(from.peerId, gossip))
      })
    }
  }

  #carryOne(way: string, arrive: () => void): void {
    const { lossRate, delayMsMax, strayMsMax } = this.options
    const isCut = this.#cut.has(way)
    if (isCut || this.#timeline.random() < lossRate) {
      this.#count(isCut ? 'network: lost to a cut' : 'network: lost')
      return
    }
    const isStray = this.#timeline.random() < 0.1
    const clearMs = Math.max(this.#timeline.nowMs, this.#clogged.get(way) ?? 0)
    if (clearMs > this.#timeline.nowMs) this.#count('network: clogged')
    const most = isStray ? strayMsMax : delayMsMax
    this.#deliver(way, clearMs + this.#timeline.random() * most, arrive)
  }

  #deliver(way: string, atMs: number, arrive: () => void): void {
    const lastMs = this.#lastMs.get(way) ?? 0
    if (atMs < lastMs) this.#count('network: overtook another')
    this.#lastMs.set(way, Math.max(lastMs, atMs))
    this.#timeline.at(atMs, arrive)
  }

  #carry(from: string, to: string, isSure: boolean, arrive: () => void): void {
    if (from !== to && (this.#alone.has(from) || this.#alone.has(to))) {
      this.#count('network: lost to an absence')
      return
    }
    if (from === to || isSure) {
      this.#timeline.after(isSure ? 1 : 0, arrive)
      return
    }
    const { duplicateRate } = this.options
    const copies = this.#timeline.random() < duplicateRate ? 2 : 1
    if (copies > 1) this.#count('network: doubled')
    for (let copy = 0; copy < copies; copy += 1) this.#carryOne(`${from}>${to}`, arrive)
  }
}
