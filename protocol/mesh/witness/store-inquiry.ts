import { causeOf } from '../../core/errors.ts'
import { LEASE_PROFILES } from '../../core/lease-profile.ts'
import { WITNESS_INQUIRY_MS_MAX } from '../../core/limits.ts'
import type { Clock, Transport } from '../../core/ports.ts'
import { witnessRefs } from '../../core/witnesses.ts'
import type { Log } from '../../host/log.ts'
import { stopController } from '../bounds/stop-controller.ts'
import type { MeshNode } from '../links/node.ts'
import type { RosterView } from '../members/roster-book.ts'

export interface StoreInquiryParts {
  readonly transport: Transport
  readonly rosters: RosterView
  readonly clock: Clock
  readonly log: Log
  readonly storeId: string
  readonly linked: () => ReadonlySet<string>
  readonly onLink: MeshNode['onLink']
  /** Told what each witness was shown of our store, before its answer counts as in. */
  readonly onSeen: (peerId: string, seq: number) => void
}

/**
 * Asks every other witness once, as soon as it is linked, how much it was shown of our store
 * (lease-protocol 4.8). A store that was set back to an old copy has forgotten promises and would
 * give them again, so a witness answers for its registers only once those it can ask have been
 * asked. Who is not linked cannot use a forgotten promise here either, but our own proposer can:
 * hence the wait for links at the start. It ends after WITNESS_INQUIRY_MS_MAX, since a witness that
 * is gone for good must not keep this one from its work.
 */
export class StoreInquiry {
  readonly #parts: StoreInquiryParts
  readonly #asked = new Set<string>()
  /** By peer: what was asked and not answered yet. */
  readonly #inFlight = new Map<string, Promise<void>>()
  readonly #stop = stopController()
  readonly #opening = Promise.withResolvers<void>()
  #isOpening = true
  #disarm: (() => void) | undefined
  #unsubscribe: readonly (() => void)[] = []

  constructor(parts: StoreInquiryParts) {
    this.#parts = parts
  }

  /** What to wait for before anything of the store is shown; undefined when it may be. */
  get pending(): Promise<unknown> | undefined {
    if (this.#isOpening) return this.#opening.promise
    return this.#inFlight.size === 0 ? undefined : Promise.all(this.#inFlight.values())
  }

  /** Before the node starts, so that no link is missed. */
  start(): void {
    const { clock, onLink, linked, rosters } = this.#parts
    this.#disarm = clock.arm(WITNESS_INQUIRY_MS_MAX, () => this.#open())
    this.#unsubscribe = [
      onLink(({ kind, peerId }) => {
        if (kind === 'up') this.#ask(peerId)
      }),
      // It may name witnesses that are linked already.
      rosters.onChange(() => {
        for (const peerId of linked()) this.#ask(peerId)
        this.#look()
      })
    ]
    this.#look()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#open()
    await Promise.all(this.#inFlight.values())
  }

  #ask(peerId: string): void {
    if (this.#stop.signal.aborted || this.#asked.has(peerId)) return
    if (!this.#others().includes(peerId)) return
    this.#asked.add(peerId)
    const asking = this.#askNow(peerId).finally(() => {
      this.#inFlight.delete(peerId)
      this.#look()
    })
    this.#inFlight.set(peerId, asking)
  }

  /** Never rejects: who does not answer in time has been asked. */
  async #askNow(peerId: string): Promise<void> {
    const { transport, rosters, storeId, log, onSeen } = this.#parts
    const profile = LEASE_PROFILES[rosters.current()?.roster.lease ?? 'default']
    const options = { timeoutMs: profile.requestTimeoutMs, signal: this.#stop.signal }
    try {
      const reply = await transport.request(peerId, { kind: 'seen', storeId }, options)
      if (reply.kind === 'seen') onSeen(peerId, reply.seq)
    } catch (error) {
      log.debug({ peer: peerId, cause: causeOf(error) }, 'store inquiry not answered')
    }
  }

  /** Ends the start where no witness is left to be asked. */
  #look(): void {
    const open = this.#others().some((peerId) => {
      return !this.#asked.has(peerId) || this.#inFlight.has(peerId)
    })
    if (!open) this.#open()
  }

  #open(): void {
    this.#isOpening = false
    this.#disarm?.()
    this.#opening.resolve()
  }

  #others(): readonly string[] {
    const { rosters, transport } = this.#parts
    const roster = rosters.current()?.roster
    const peers = roster === undefined ? [] : witnessRefs(roster).map(({ peerId }) => peerId)
    return peers.filter((peerId) => peerId !== transport.peerId)
  }
}
