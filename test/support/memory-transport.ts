import { codeOf, MeshError } from '../../protocol/core/errors.ts'
import type { Clock, RequestOptions } from '../../protocol/core/ports.ts'
import type { GossipHandler } from '../../protocol/mesh/links/gossip.ts'
import type { LinkEvent, PeerLink } from '../../protocol/mesh/links/links.ts'
import type { MeshNode } from '../../protocol/mesh/links/node.ts'
import type { RequestHandler } from '../../protocol/mesh/links/request-server.ts'
import type { SeededRandom } from './seeded-random.ts'

export interface Faults {
  /** Chance that a message, request or reply or gossip, is lost. */
  readonly lossRate: number
  readonly delayMsMin: number
  readonly delayMsMax: number
}

export const NO_FAULTS: Faults = { lossRate: 0, delayMsMin: 1, delayMsMax: 2 }

/** One request as the network saw it. */
export interface Passed {
  readonly from: string
  readonly to: string
  readonly protocol: string
  readonly body: Uint8Array
}

/** A network in memory: each message takes its time on the given clock, and may get lost. */
export class MemoryNetwork {
  readonly clock: Clock
  readonly random: SeededRandom
  faults: Faults = NO_FAULTS
  /** Every request that was sent, lost ones included. */
  readonly passed: Passed[] = []
  /** Gossip messages published. */
  published = 0
  /** What validators said, in order. */
  readonly verdicts: ('accept' | 'ignore' | 'reject')[] = []
  readonly #nodes = new Map<string, MemoryNode>()
  readonly #cuts = new Set<string>()

  constructor(clock: Clock, random: SeededRandom) {
    this.clock = clock
    this.random = random
  }

  node(peerId: string, options: { readonly gossip: boolean } = { gossip: true }): MemoryNode {
    const node = new MemoryNode(peerId, this, options.gossip)
    this.#nodes.set(peerId, node)
    return node
  }

  /** Cuts these peers off from all others, both ways; they still reach each other. */
  isolate(...peers: readonly string[]): void {
    for (const one of this.#nodes.keys()) {
      for (const other of this.#nodes.keys()) {
        if (peers.includes(one) && !peers.includes(other)) this.#cut(one, other)
      }
    }
  }

  heal(): void {
    for (const pair of [...this.#cuts]) {
      const [one = '', other = ''] = pair.split(' ')
      this.#cuts.delete(pair)
      this.tell(one, other, 'up')
    }
  }

  started(): readonly MemoryNode[] {
    return [...this.#nodes.values()].filter((node) => node.isUp)
  }

  reachable(from: string, to: string): MemoryNode | undefined {
    const node = this.#nodes.get(to)
    const open = node?.isUp === true && this.#nodes.get(from)?.isUp === true
    return open && !this.#cuts.has(pairOf(from, to)) ? node : undefined
  }

  tell(one: string, other: string, kind: 'up' | 'down'): void {
    this.#nodes.get(one)?.tell({ kind, peerId: other })
    this.#nodes.get(other)?.tell({ kind, peerId: one })
  }

  /** Runs `arrive` after the message's time, unless it is lost. */
  carry(arrive: () => void): void {
    const { lossRate, delayMsMin, delayMsMax } = this.faults
    if (this.random.next() < lossRate) return
    const delayMs = delayMsMin + this.random.next() * (delayMsMax - delayMsMin)
    this.clock.arm(delayMs, arrive)
  }

  #cut(one: string, other: string): void {
    if (this.#cuts.has(pairOf(one, other))) return
    this.#cuts.add(pairOf(one, other))
    this.tell(one, other, 'down')
  }
}

/** One end of it; stands for the libp2p node. */
export class MemoryNode implements MeshNode {
  readonly peerId: string
  isUp = false
  readonly #network: MemoryNetwork
  readonly #gossip: boolean
  readonly #handlers = new Map<string, RequestHandler>()
  readonly #topics = new Map<string, GossipHandler>()
  readonly #listeners = new Set<(event: LinkEvent) => void>()

  constructor(peerId: string, network: MemoryNetwork, gossip: boolean) {
    this.peerId = peerId
    this.#network = network
    this.#gossip = gossip
  }

  async start(): Promise<void> {
    this.isUp = true
    for (const { peerId } of this.links()) this.#network.tell(this.peerId, peerId, 'up')
  }

  async stop(): Promise<void> {
    const links = this.links()
    this.isUp = false
    for (const { peerId } of links) this.#network.tell(this.peerId, peerId, 'down')
  }

  addresses(): readonly string[] {
    return [`/memory/${this.peerId}`]
  }

  seen(peerId: string): string | undefined {
    return this.links().find((link) => link.peerId === peerId)?.address
  }

  handle(protocol: string, handler: RequestHandler): void {
    this.#handlers.set(protocol, handler)
  }

  request(
    peer: string,
    protocol: string,
    body: Uint8Array,
    options: RequestOptions
  ): Promise<Uint8Array> {
    const network = this.#network
    network.passed.push({ from: this.peerId, to: peer, protocol, body })
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const { timeoutMs, signal } = options
    const disarm = network.clock.arm(timeoutMs, () => {
      reject(new MeshError('REQUEST_TIMED_OUT', { peer, timeoutMs }))
    })
    const abort = () => reject(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    if (network.reachable(this.peerId, peer) === undefined) {
      reject(new MeshError('PEER_UNREACHABLE', { peer, cause: 'not linked' }))
    }
    network.carry(() => {
      const node = network.reachable(this.peerId, peer)
      if (node === undefined) return
      node.serve(this.peerId, protocol, body).then(
        (reply) => network.carry(() => network.reachable(peer, this.peerId) && resolve(reply)),
        (error: unknown) => {
          const refusal = codeOf(error) ?? 'BUG'
          network.carry(() => reject(new MeshError('REQUEST_REFUSED', { peer, refusal })))
        }
      )
    })
    return promise.finally(() => {
      disarm()
      signal?.removeEventListener('abort', abort)
    })
  }

  async serve(remote: string, protocol: string, body: Uint8Array): Promise<Uint8Array> {
    const handler = this.#handlers.get(protocol)
    if (handler === undefined) throw new MeshError('MESSAGE_INVALID', { peer: remote })
    return await handler(remote, body.slice())
  }

  async publish(topic: string, bytes: Uint8Array): Promise<void> {
    if (!this.#gossip) return
    this.#network.published += 1
    for (const node of this.#network.started()) {
      if (node === this) continue
      this.#network.carry(() => {
        if (this.#network.reachable(this.peerId, node.peerId) !== undefined) {
          node.hear(topic, this.peerId, bytes)
        }
      })
    }
  }

  subscribe(topic: string, handler: GossipHandler): void {
    if (this.#gossip) this.#topics.set(topic, handler)
  }

  gossipPeers(): number | undefined {
    return this.#gossip ? this.links().length : undefined
  }

  hear(topic: string, from: string, bytes: Uint8Array): void {
    const verdict = this.#topics.get(topic)?.(from, bytes)
    if (verdict !== undefined) this.#network.verdicts.push(verdict)
  }

  links(): readonly PeerLink[] {
    return this.#network
      .started()
      .filter((node) => node !== this && this.#network.reachable(this.peerId, node.peerId))
      .map(({ peerId }) => ({ peerId, address: '', rttMs: undefined, sinceMs: 0 }))
  }

  onLink(listener: (event: LinkEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(event: LinkEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

function pairOf(one: string, other: string): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`
}
