import {
  BACKOFF_MS_MIN,
  BOARD_QUEUE_MAX,
  BOARD_READS_MAX,
  BOARD_TRIES_MAX
} from '../../core/limits.ts'
import type { Clock, Random } from '../../core/ports.ts'
import { stopController } from '../bounds/stop-controller.ts'

/** Where to look: a register that may hold something new. */
export interface Lead {
  readonly register: string
  readonly witnessEpoch: number
  /** The version it is said to be at. */
  readonly version: number
  /** Of its announcement, where the one who told knows it. */
  readonly annHash: string | undefined
  /** Who told, and may have the announcement's bytes. */
  readonly peers: readonly string[]
  /**
   * `sync`: a witness holds it, so it is tried until it is read. `gossip`: anybody may have made it
   * up, so it is given up after BOARD_TRIES_MAX.
   */
  readonly source: 'sync' | 'gossip'
  /** How often it was followed in vain. */
  readonly tries: number
}

/**
 * Milliseconds of the longest pause before a lead is followed again: about an anti-entropy period.
 */
const RETRY_MS_MAX = 10_000

export type Follow = (lead: Lead, signal: AbortSignal) => Promise<'done' | 'again'>

/**
 * Leads in the order in which they came, one of each register, BOARD_READS_MAX followed at a time.
 * One that leads nowhere yet stays and is tried again, later and later: its SYNC cursor has moved
 * on, so nothing else would bring it back.
 */
export class LeadQueue {
  readonly #clock: Clock
  readonly #random: Random
  readonly #follow: Follow
  readonly #waiting = new Map<string, Lead>()
  readonly #running = new Map<string, Promise<void>>()
  /** Leads on a pause, with what ends it. */
  readonly #paused = new Map<string, { readonly lead: Lead; readonly disarm: () => void }>()
  readonly #stop = stopController()

  constructor(parts: { readonly clock: Clock; readonly random: Random }, follow: Follow) {
    this.#clock = parts.clock
    this.#random = parts.random
    this.#follow = follow
  }

  get room(): number {
    return BOARD_QUEUE_MAX - this.#waiting.size - this.#paused.size
  }

  get busy(): boolean {
    return this.#waiting.size + this.#running.size + this.#paused.size > 0
  }

  /** False when there is no room. A lead of a register that waits replaces it if it says more. */
  add(lead: Lead): boolean {
    const name = nameOf(lead)
    const paused = this.#paused.get(name)
    const known = this.#waiting.get(name) ?? paused?.lead
    if (known === undefined && this.room <= 0) return false
    // Told anew, it is worth a look now.
    paused?.disarm()
    this.#paused.delete(name)
    this.#waiting.set(name, known === undefined ? lead : merged(known, lead))
    this.#pump()
    return true
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    for (const { disarm } of this.#paused.values()) disarm()
    this.#paused.clear()
    this.#waiting.clear()
    await Promise.all(this.#running.values())
  }

  #pump(): void {
    if (this.#stop.signal.aborted) return
    for (const [name, lead] of this.#waiting) {
      if (this.#running.size >= BOARD_READS_MAX) return
      // One at a time a register: a second read would learn nothing more.
      if (this.#running.has(name)) continue
      this.#waiting.delete(name)
      this.#running.set(name, this.#run(name, lead))
    }
  }

  async #run(name: string, lead: Lead): Promise<void> {
    const verdict = await this.#follow(lead, this.#stop.signal)
    this.#running.delete(name)
    if (this.#stop.signal.aborted) return
    const tries = lead.tries + 1
    const isOver = lead.source === 'gossip' && tries >= BOARD_TRIES_MAX
    if (verdict === 'again' && !isOver) this.#again(name, { ...lead, tries })
    this.#pump()
  }

  #again(name: string, lead: Lead): void {
    if (this.#waiting.has(name) || this.#paused.has(name)) return
    const maxMs = Math.min(RETRY_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(lead.tries, 16))
    // Spread, or a thousand members that failed together would all come back together.
    const disarm = this.#clock.arm((0.5 + this.#random.next() / 2) * maxMs, () => {
      this.#paused.delete(name)
      this.#waiting.set(name, lead)
      this.#pump()
    })
    this.#paused.set(name, { lead, disarm })
  }
}

function merged(known: Lead, told: Lead): Lead {
  return {
    ...known,
    version: Math.max(known.version, told.version),
    annHash: known.annHash ?? told.annHash,
    source: known.source === 'sync' ? 'sync' : told.source,
    // The latest few that know it are enough to ask.
    peers: [...new Set([...told.peers, ...known.peers])].slice(0, PEERS_MAX)
  }
}

const PEERS_MAX = 3

function nameOf({ register, witnessEpoch }: Lead): string {
  return `${register}@${witnessEpoch}`
}
