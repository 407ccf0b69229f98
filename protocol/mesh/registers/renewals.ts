import { codeOf } from '../../core/errors.ts'
import type { Cancellation } from '../../core/job.ts'
import { RENEW_ITEMS_MAX } from '../../core/limits.ts'
import type { RenewItem, RenewResult, Stage } from '../../core/messages.ts'
import type { Clock, Transport } from '../../core/ports.ts'
import type { WitnessSet, WitnessSets } from '../members/witness-sets.ts'
import type { ChangeRef } from './register-client.ts'
import type { SeenSequences } from './seen-sequences.ts'

/** One lease of this process, to be renewed. */
export interface LeaseToRenew {
  readonly ref: ChangeRef
  readonly epoch: number
  readonly claimId: string
  readonly stage: Stage
}

/** How the witnesses of one lease answered. */
export interface RenewTally {
  readonly register: string
  readonly oks: number
  readonly stale: number
  readonly behind: number
  readonly fenced: number
  /** Witnesses that show a stop-sign, which may yet lose: neither a yes nor a no. */
  readonly moved: number
  readonly quorum: number
  /** Set as soon as one witness that renewed the lease shows a cancel. */
  readonly cancel: Cancellation | undefined
  /** Boot milliseconds before the first message left: the lease counts from here. */
  readonly startedAtMs: number
}

export interface RenewalsParts {
  readonly transport: Transport
  readonly clock: Clock
  readonly sets: WitnessSets
  readonly seen: Pick<SeenSequences, 'of'>
  /**
   * Called for a lease that a witness is behind on: it is to be brought the chosen accept (4.7).
   */
  readonly onBehind: (ref: ChangeRef) => void
}

/** The running count of one lease. */
interface Count {
  readonly lease: LeaseToRenew
  readonly set: WitnessSet
  readonly answers: RenewResult['answer'][]
  cancel: RenewTally['cancel']
  /** Witnesses that have not answered yet. */
  open: number
}

interface Batch {
  readonly peerId: string
  readonly storeId: string
  readonly counts: { readonly count: Count; readonly item: RenewItem }[]
}

/**
 * Renews all leases of this process at once: one message to each witness for RENEW_ITEMS_MAX
 * leases, and no write anywhere. Resolves when every lease is decided, at the latest after one
 * request's time.
 */
export class Renewals {
  readonly #parts: RenewalsParts
  readonly #boot: string

  constructor(parts: RenewalsParts, options: { readonly boot: string }) {
    this.#parts = parts
    this.#boot = options.boot
  }

  /** In the order of `leases`. Rejects with the signal's reason. */
  async renew(
    leases: readonly LeaseToRenew[],
    signal?: AbortSignal
  ): Promise<readonly RenewTally[]> {
    signal?.throwIfAborted()
    // Before any message: a witness may renew as early as this.
    const startedAtMs = this.#parts.clock.bootMs()
    const counts = leases.map((lease) => this.#countOf(lease))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = () => {
      if (counts.every((count) => count === undefined || isDecided(count))) resolve()
    }
    check()
    for (const batch of this.#batches(counts)) {
      this.#send(batch, signal).then(check, reject)
    }
    await promise
    return counts.map((count, index) => tallyOf(count, leases[index], startedAtMs))
  }

  /** Undefined while the roster of the lease's epoch is not known here. */
  #countOf(lease: LeaseToRenew): Count | undefined {
    const set = this.#parts.sets.of(lease.ref.register, lease.ref.witnessEpoch)
    if (set === undefined) return undefined
    return { lease, set, answers: [], cancel: undefined, open: set.witnesses.length }
  }

  /** By witness and store: after a new enrolment one peer may be two witnesses. */
  #batches(counts: readonly (Count | undefined)[]): readonly Batch[] {
    const byStore = new Map<string, Batch[]>()
    for (const count of counts) {
      for (const { peerId, storeId } of count?.set.witnesses ?? []) {
        if (count === undefined) continue
        const name = `${peerId} ${storeId}`
        const batches = byStore.get(name) ?? []
        byStore.set(name, batches)
        const entry = { count, item: this.#itemOf(count.lease, storeId) }
        const last = batches.at(-1)
        if (last !== undefined && last.counts.length < RENEW_ITEMS_MAX) last.counts.push(entry)
        else batches.push({ peerId, storeId, counts: [entry] })
      }
    }
    return [...byStore.values()].flat()
  }

  #itemOf({ ref, epoch, claimId, stage }: LeaseToRenew, storeId: string): RenewItem {
    const { register, witnessEpoch, ann } = ref
    const scope = { register, witnessEpoch, storeId, ann }
    return { scope, epoch, claimId, boot: this.#boot, stage }
  }

  async #send(batch: Batch, signal: AbortSignal | undefined): Promise<void> {
    const results = await this.#ask(batch, signal)
    for (const { count } of batch.counts) {
      const { ref } = count.lease
      const result = results.get(ref.register)
      count.open -= 1
      if (result === undefined) continue
      count.answers.push(result.answer)
      // The others wait for no sync: what they show may be lost in a crash (I10).
      if (result.answer === 'ok') count.cancel ??= result.cancel
      if (result.answer === 'behind') this.#parts.onBehind(ref)
    }
  }

  async #ask(
    { peerId, storeId, counts }: Batch,
    signal: AbortSignal | undefined
  ): Promise<ReadonlyMap<string, RenewResult>> {
    const { transport, seen } = this.#parts
    const timeoutMs = Math.min(...counts.map(({ count }) => count.set.profile.requestTimeoutMs))
    const items = counts.map(({ item }) => item)
    const message = { kind: 'renew', items, seenSeq: seen.of(peerId, storeId) } as const
    try {
      const reply = await transport.request(peerId, message, { timeoutMs, signal })
      if (reply.kind !== 'renewed') return new Map()
      return new Map(reply.items.map((result) => [result.register, result]))
    } catch (error) {
      signal?.throwIfAborted()
      if (codeOf(error) === undefined) throw error
      return new Map()
    }
  }
}

// Decided: renewed by a quorum, or no quorum of any yes can come any more.
function isDecided({ answers, open, set }: Count): boolean {
  const oks = answers.filter((answer) => answer === 'ok').length
  return open === 0 || oks >= set.quorum
}

function tallyOf(
  count: Count | undefined,
  lease: LeaseToRenew | undefined,
  startedAtMs: number
): RenewTally {
  const answers = count?.answers ?? []
  const of = (wanted: RenewResult['answer']) => answers.filter((one) => one === wanted).length
  return {
    register: lease?.ref.register ?? '',
    oks: of('ok'),
    // A register that is gone holds no lease either.
    stale: of('stale') + of('gone'),
    behind: of('behind'),
    fenced: of('fenced'),
    moved: of('moved'),
    quorum: count?.set.quorum ?? Number.POSITIVE_INFINITY,
    cancel: count?.cancel,
    startedAtMs
  }
}
