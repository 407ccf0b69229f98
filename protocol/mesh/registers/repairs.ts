import { codeOf } from '../../core/errors.ts'
import { REPAIRS_KEPT_MAX, REPAIRS_PARALLEL_MAX } from '../../core/limits.ts'
import type { Accepted, AnnouncementRef } from '../../core/messages.ts'
import type { Clock, Transport } from '../../core/ports.ts'
import { WRITE_BACKS_MAX } from '../../core/recovery-limits.ts'
import type { Log } from '../../host/log.ts'
import { Lru } from '../bounds/lru.ts'
import { pause } from '../bounds/pause.ts'
import { stopController } from '../bounds/stop-controller.ts'
import type { WitnessSet } from '../members/witness-sets.ts'

/** A value that is known to be chosen, as its proposer signed it. */
export interface ChosenAccept {
  readonly register: string
  readonly witnessEpoch: number
  readonly ann: AnnouncementRef
  readonly accepted: Accepted
  /** With the accept of a run, where its bytes are at hand. */
  readonly announcement: Uint8Array | undefined
}

export interface RepairsParts {
  readonly transport: Transport
  readonly clock: Clock
  readonly log: Log
  /**
   * For our own witness, which has promised a higher round and still lacks what is chosen. True
   * once it is known to have it.
   */
  readonly writeBack: (ref: Omit<ChosenAccept, 'accepted' | 'announcement'>) => Promise<boolean>
}

/**
 * Pushes chosen accepts to witnesses that lag (4.12.17): one that missed the last accept would show
 * an open job for ever. Best effort, each accept once a witness; a witness that stays away repairs
 * itself by anti-entropy when it is back.
 */
export class Repairs {
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #log: Log
  readonly #writeBack: RepairsParts['writeBack']
  readonly #pushed = new Lru<string, true>(REPAIRS_KEPT_MAX)
  readonly #running = new Set<Promise<void>>()
  readonly #stop = stopController()

  constructor(parts: RepairsParts) {
    this.#transport = parts.transport
    this.#clock = parts.clock
    this.#log = parts.log
    this.#writeBack = parts.writeBack
  }

  push(chosen: ChosenAccept, set: WitnessSet, peers: readonly string[]): void {
    for (const { peerId, storeId } of set.witnesses) {
      if (peers.includes(peerId)) this.#pushTo(chosen, set, peerId, storeId)
    }
  }

  /** Ends what runs and waits for it. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running)
  }

  #pushTo(chosen: ChosenAccept, set: WitnessSet, peerId: string, storeId: string): void {
    const { register, witnessEpoch, accepted } = chosen
    const { round, peer, boot } = accepted.ballot
    const name = `${peerId} ${register}@${witnessEpoch} ${round} ${peer} ${boot}`
    const isFull = this.#running.size >= REPAIRS_PARALLEL_MAX
    if (isFull || this.#stop.signal.aborted || this.#pushed.has(name)) return
    this.#pushed.set(name, true)
    const task = this.#tries(chosen, set, peerId, storeId)
      .then((done) => {
        // Forgotten, so that whoever finds it lagging later may push again.
        if (!done) this.#pushed.delete(name)
      })
      .catch((error: unknown) => this.#log.error({ err: error, register }, 'repair failed'))
      .finally(() => this.#running.delete(task))
    this.#running.add(task)
  }

  async #tries(
    chosen: ChosenAccept,
    set: WitnessSet,
    peerId: string,
    storeId: string
  ): Promise<boolean> {
    const isOwn = peerId === this.#transport.peerId
    const first = await this.#try(chosen, set, peerId, storeId)
    // A newer round runs there: it brings this value or its successor.
    if (first === 'done' || (first === 'outrun' && !isOwn)) return true
    // What made it miss the accept mostly passes within a request's time.
    await pause(this.#clock, set.profile.requestTimeoutMs, this.#stop.signal)
    if (this.#stop.signal.aborted) return false
    const second = await this.#try(chosen, set, peerId, storeId)
    if (second === 'done' || !isOwn) return second !== 'failed'
    return await this.#insist(chosen, set, storeId, second)
  }

  /** Nobody reads for us what our board knows as ended: given up once, it would lag for ever. */
  async #insist(
    chosen: ChosenAccept,
    set: WitnessSet,
    storeId: string,
    before: 'outrun' | 'failed'
  ): Promise<boolean> {
    let last: 'done' | 'outrun' | 'failed' = before
    for (let tries = 1; tries <= WRITE_BACKS_MAX; tries += 1) {
      // Its proposer is gone, and no accept below that promise will ever be taken.
      if (last === 'outrun' && (await this.#writeBack(chosen))) return false
      await pause(this.#clock, set.profile.antiEntropyMs, this.#stop.signal)
      if (this.#stop.signal.aborted) return false
      last = await this.#try(chosen, set, this.#transport.peerId, storeId)
      if (last === 'done') return true
    }
    return false
  }

  async #try(
    { register, witnessEpoch, ann, accepted, announcement }: ChosenAccept,
    set: WitnessSet,
    peerId: string,
    storeId: string
  ): Promise<'done' | 'outrun' | 'failed'> {
    const scope = { register, witnessEpoch, storeId, ann }
    const options = { timeoutMs: set.profile.requestTimeoutMs, signal: this.#stop.signal }
    try {
      const message = { kind: 'accept', scope, ...accepted, announcement } as const
      const reply = await this.#transport.request(peerId, message, options)
      if (reply.kind === 'accepted') return 'done'
      return reply.kind === 'rejected' && reply.code === 'ballot' ? 'outrun' : 'failed'
    } catch (error) {
      if (codeOf(error) === undefined && !this.#stop.signal.aborted) throw error
      return 'failed'
    }
  }
}
