import { type BackoffRange, backoffMaxMs } from '../../core/backoff.ts'
import { causeOf } from '../../core/errors.ts'
import {
  DIAL_BACKOFF_MS_MAX,
  DIAL_BACKOFF_MS_MIN,
  DIAL_BACKOFF_NEW_ROSTER_MS_MAX,
  DIAL_MS_MAX,
  DIAL_REFUSED_MS,
  DIAL_YIELD_MS,
  DIALS_PARALLEL_MAX,
  ROSTER_PUSH_MS_MAX
} from '../../core/limits.ts'
import type { Clock, Random } from '../../core/ports.ts'
import type { Member } from '../../core/roster.ts'
import type { Log } from '../../host/log.ts'

export interface DiallerParts {
  readonly self: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Members to hold a link to. */
  readonly targets: () => readonly Member[]
  readonly isLinked: (peerId: string) => boolean
  /** Resolves once a connection to the member exists. */
  readonly dial: (member: Member, signal: AbortSignal) => Promise<unknown>
}

interface Dial {
  readonly end: AbortController
  readonly done: Promise<void>
}

interface Target {
  failures: number
  /** When our last dial of it worked; undefined before one did. */
  linkedMs: number | undefined
  /** Ends the wait before the next dial; undefined while it is queued or dialled. */
  disarm: (() => void) | undefined
}

const CALM: BackoffRange = { firstMs: DIAL_BACKOFF_MS_MIN, maxMs: DIAL_BACKOFF_MS_MAX }
const EAGER: BackoffRange = { ...CALM, maxMs: DIAL_BACKOFF_NEW_ROSTER_MS_MAX }

/**
 * Keeps a connection to every member: libp2p itself gives up on a peer after five tries, and only
 * this knows the roster. Both ends dial; a second connection to the same peer does no harm.
 */
export class Dialler {
  readonly #parts: DiallerParts
  readonly #targets = new Map<string, Target>()
  readonly #queue: string[] = []
  readonly #dialling = new Map<string, Dial>()
  #stopped = false
  #rosterMs = 0

  constructor(parts: DiallerParts) {
    this.#parts = parts
  }

  /** Dials everyone anew, also those that were waited for: at start and after a roster change. */
  refresh(): void {
    this.#rosterMs = this.#parts.clock.bootMs()
    const members = this.#parts.targets()
    const wanted = new Set(members.map(({ peerId }) => peerId))
    for (const [peerId, target] of this.#targets) {
      if (wanted.has(peerId)) continue
      target.disarm?.()
      this.#targets.delete(peerId)
    }
    for (const { peerId } of members) {
      this.#targets.get(peerId)?.disarm?.()
      if (!(this.#dialling.has(peerId) || this.#queue.includes(peerId))) this.#await(peerId, 0)
    }
  }

  /** To be told when the last connection to a peer is gone. */
  linkLost(peerId: string): void {
    const target = this.#targets.get(peerId)
    if (target === undefined || this.#dialling.has(peerId)) return
    const { failures, linkedMs = Number.NEGATIVE_INFINITY } = target
    // A member with an older roster lets the handshake through and then cuts us off: were that a
    // link that was lost, it would be dialled without pause until it hears of the new one.
    const isRefused = this.#parts.clock.bootMs() - linkedMs < DIAL_REFUSED_MS
    this.#await(peerId, isRefused ? failures + 1 : 0)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const target of this.#targets.values()) target.disarm?.()
    this.#targets.clear()
    this.#queue.length = 0
    const dials = [...this.#dialling.values()]
    for (const { end } of dials) end.abort()
    await Promise.all(dials.map(({ done }) => done))
  }

  #await(peerId: string, failures: number): void {
    if (this.#stopped) return
    const before = this.#targets.get(peerId)
    before?.disarm?.()
    const target: Target = { failures, linkedMs: before?.linkedMs, disarm: undefined }
    this.#targets.set(peerId, target)
    target.disarm = this.#parts.clock.arm(this.#waitMs(peerId, failures), () => {
      target.disarm = undefined
      this.#queue.push(peerId)
      this.#next()
    })
  }

  #waitMs(peerId: string, failures: number): number {
    // The lower id goes first, so that two hosts that meet rarely end up with two connections.
    if (failures === 0) return this.#parts.self < peerId ? 0 : DIAL_YIELD_MS
    const isNew = this.#parts.clock.bootMs() - this.#rosterMs < ROSTER_PUSH_MS_MAX
    const maxMs = backoffMaxMs(failures - 1, isNew ? EAGER : CALM)
    // Never less than half: a drawn 0 would dial a dead host without pause.
    return maxMs * (0.5 + this.#parts.random.next() / 2)
  }

  #next(): void {
    while (this.#dialling.size < DIALS_PARALLEL_MAX) {
      const peerId = this.#queue.shift()
      if (peerId === undefined) return
      const member = this.#parts.targets().find((other) => other.peerId === peerId)
      if (member === undefined || this.#parts.isLinked(peerId)) continue
      const end = new AbortController()
      this.#dialling.set(peerId, { end, done: this.#dial(member, end) })
    }
  }

  /** Never rejects. */
  async #dial(member: Member, end: AbortController): Promise<void> {
    const { peerId } = member
    const disarm = this.#parts.clock.arm(DIAL_MS_MAX, () => end.abort())
    const failures = (this.#targets.get(peerId)?.failures ?? 0) + 1
    try {
      await this.#parts.dial(member, end.signal)
      const target = this.#targets.get(peerId)
      if (target !== undefined) target.linkedMs = this.#parts.clock.bootMs()
    } catch (error) {
      this.#parts.log.debug({ peer: peerId, failures, cause: causeOf(error) }, 'dial failed')
    } finally {
      disarm()
      this.#dialling.delete(peerId)
    }
    // Also after a dial that worked: the other side may have cut it again before this line.
    if (this.#targets.has(peerId) && !this.#parts.isLinked(peerId)) {
      this.#await(peerId, failures)
    }
    this.#next()
  }
}
