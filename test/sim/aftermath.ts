import type { RegisterRequest } from '../../protocol/core/messages.ts'
import { RETENTION_MS, TOMBSTONE_KEPT_MS } from '../../protocol/core/retention-limits.ts'
import { jobIndexOf } from '../../protocol/core/run.ts'
import type { Timeline } from '../support/timeline.ts'
import type { ChosenValues } from './chosen.ts'
import type { StoreLosses } from './losses.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { Scene } from './scene.ts'

export interface AftermathParts {
  readonly scene: Scene
  readonly network: Network
  readonly nodes: readonly SimNode[]
  readonly chosen: ChosenValues
  readonly losses: StoreLosses
  readonly late: Pick<Timeline, 'random' | 'between'>
}

interface Kept {
  readonly from: string
  readonly to: string
  readonly message: RegisterRequest
}

/** Longer than ended runs are kept, and remembered, by any clock that is off. */
const MONTHS_MS = RETENTION_MS + TOMBSTONE_KEPT_MS + 2_592_000_000
/** Milliseconds in which the witnesses forget, one after the other. */
const SPREAD_MS = 4_000
/** Milliseconds in which what is old comes back. */
const STIR_MS = 4_000
/** Requests that are sent again at last. */
const KEPT_MAX = 150
const KEEP_RATE = 0.04
const KEPT_KINDS = new Set<RegisterRequest['kind']>(['prepare', 'accept', 'read', 'renew'])

/**
 * Months pass: an agent has left in the middle of a job, all runs are dropped and the drops are
 * forgotten, and then it is back; so are announcements, and messages that somebody has held.
 */
export class Aftermath {
  readonly #parts: AftermathParts
  readonly #kept: Kept[] = []
  readonly #hints = new Map<string, { readonly annHash: string; readonly witnessEpoch: number }>()
  #left: SimNode | undefined

  constructor(parts: AftermathParts) {
    this.#parts = parts
  }

  start(): void {
    const { scene, network, late } = this.#parts
    network.onRequest = (from, to, message) => {
      if (!KEPT_KINDS.has(message.kind) || late.random() >= KEEP_RATE) return
      if (this.#kept.length < KEPT_MAX) this.#kept.push({ from, to, message })
      else this.#kept[Math.floor(late.random() * KEPT_MAX)] = { from, to, message }
    }
    const { troubleMs } = scene.options
    scene.timeline.after(late.between(0.1, 0.9) * troubleMs, () => this.#leave())
  }

  /** One that has a job, and is none of the last that may hold any. */
  #leave(): void {
    const { nodes, losses, late, scene } = this.#parts
    const agents = nodes.filter(({ agent, isGone, isAway }) => {
      return agent !== undefined && !isGone && !isAway
    })
    const busy = agents.filter((node) => {
      return (node.agent?.holders.size ?? 0) > 0 && losses.mayLose(node)
    })
    const node = busy[Math.floor(late.random() * busy.length)]
    if (node === undefined || agents.length < 2) return
    losses.note(node)
    this.#left = node
    node.isAway = true
    node.process.crash()
    scene.count('months: agent left in a job')
  }

  /** Every run of before is dropped, as far as a majority goes. */
  isDropped(jobs: readonly string[]): boolean {
    return jobs.every((job) => this.#parts.chosen.isDropped(job))
  }

  /** No gateway has a push that it still asks for: one of before would run again after months. */
  get isQuiet(): boolean {
    return this.#parts.nodes.every(({ gateway }) => gateway?.isIdle(() => false) ?? true)
  }

  /** Gateways at once, whose clocks agree; witnesses one after the other. */
  pass(): void {
    const { nodes, late, scene, chosen } = this.#parts
    for (const place of chosen.places()) {
      const at = place.lastIndexOf('@')
      const annHash = chosen.newest(place)?.value.annHash ?? ''
      const witnessEpoch = Number(place.slice(at + 1))
      this.#hints.set(place.slice(0, at), { annHash, witnessEpoch })
    }
    for (const { process, gateway } of nodes) {
      const afterMs = gateway === undefined ? late.random() * SPREAD_MS : SPREAD_MS / 2
      scene.timeline.after(afterMs, () => {
        process.wallOffsetMs += MONTHS_MS
      })
    }
  }

  get passMs(): number {
    return SPREAD_MS
  }

  /** What is old comes back, to members of which some have forgotten all that was not on a disk. */
  stir(): void {
    const { scene, network, late, nodes } = this.#parts
    const soon = (task: () => void): void => {
      scene.timeline.after(late.random() * STIR_MS, task)
    }
    for (const node of nodes) {
      if (node.isGone || node === this.#left || late.random() < 0.5) continue
      node.process.crash()
      node.start()
    }
    for (const { from, to, message } of this.#kept) {
      soon(() => {
        if (!this.#isClosed(to, message)) return
        scene.count(`months: late ${message.kind}`)
        network.replay(from, to, message)
      })
    }
    for (const [register, { annHash, witnessEpoch }] of this.#hints) {
      if (jobIndexOf(register) !== undefined && late.random() < 0.5) continue
      soon(() => this.#announce(register, annHash, witnessEpoch))
    }
    soon(() => this.comeBack())
  }

  /**
   * By the floor of whom it comes to: of two announcements of one push, the one that lost may stay
   * open for as long as its gateway says nothing more, and no message is on its way for months.
   */
  #isClosed(to: string, message: RegisterRequest): boolean {
    const node = this.#parts.nodes.find(({ peerId }) => peerId === to)
    const scopes = message.kind === 'renew' ? message.items.map(({ scope }) => scope) : []
    const asked = 'scope' in message ? [message.scope] : scopes
    return asked.every(({ ann }) => {
      if (ann === undefined) return true
      return ann.gwSeq <= Number(node?.disk.read(`f/${ann.gateway}`) ?? 0)
    })
  }

  #announce(register: string, annHash: string, witnessEpoch: number): void {
    const { nodes, network, scene, late } = this.#parts
    const node = nodes[Math.floor(late.random() * nodes.length)]
    if (node?.process.isAlive !== true) return
    scene.count('months: announced again')
    network.gossip(node.process, { kind: 'hint', register, witnessEpoch, version: 1, annHash })
  }

  comeBack(): void {
    const node = this.#left
    if (node === undefined) return
    this.#parts.scene.count('months: agent is back')
    node.isAway = false
    node.start()
  }

  get stirMs(): number {
    return STIR_MS
  }
}
