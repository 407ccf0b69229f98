import type { RegisterReply, RegisterRequest } from '../../protocol/core/messages.ts'
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
      readonly version: number
      readonly annHash: string
    }
  | { readonly kind: 'advertisement'; readonly body: object }

/** Messages between hosts: lost, late, doubled, cut one way, clogged, as the seed has it. */
export class Network {
  options: NetworkOptions
  readonly #timeline: Timeline
  readonly #peers = new Map<string, Peer>()
  readonly #cut = new Set<string>()
  readonly #clogged = new Map<string, number>()
  gossipLossRate = 0

  constructor(timeline: Timeline, options: NetworkOptions) {
    this.#timeline = timeline
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

  /** To everybody else, and no more than a hint. */
  gossip(from: SimProcess, gossip: Gossip): void {
    for (const [peerId, peer] of this.#peers) {
      if (peerId === from.peerId || this.#timeline.random() < this.gossipLossRate) continue
      this.#carry(from.peerId, peerId, false, () => {
        peer.process.run(peer.process.boot, () => peer.hear(from.peerId, gossip))
      })
    }
  }

  #carry(from: string, to: string, isSure: boolean, arrive: () => void): void {
    if (from === to || isSure) {
      this.#timeline.after(isSure ? 1 : 0, arrive)
      return
    }
    const { lossRate, duplicateRate, delayMsMax, strayMsMax } = this.options
    const copies = this.#timeline.random() < duplicateRate ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      const way = `${from}>${to}`
      if (this.#cut.has(way) || this.#timeline.random() < lossRate) continue
      const most = this.#timeline.random() < 0.1 ? strayMsMax : delayMsMax
      const clearMs = Math.max(this.#timeline.nowMs, this.#clogged.get(way) ?? 0)
      this.#timeline.at(clearMs + this.#timeline.random() * most, arrive)
    }
  }
}
