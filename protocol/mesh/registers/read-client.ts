import { codeOf } from '../../core/errors.ts'
import { isGoneAt } from '../../core/floor.ts'
import type { Accepted, AnnouncementRef, RegisterReply } from '../../core/messages.ts'
import type { Digest, Transport } from '../../core/ports.ts'
import { judgeRead, lacks, type ReadJudgement, type ValueReply } from '../../core/reader.ts'
import type { WitnessRef } from '../../core/witnesses.ts'
import type { Log } from '../../host/log.ts'
import type { Equivocations } from '../members/equivocations.ts'
import type { WitnessSet } from '../members/witness-sets.ts'

/** A register as a reader names it; `ann` is undefined while its announcement is not known. */
export interface RegisterRef {
  readonly register: string
  readonly witnessEpoch: number
  readonly ann: AnnouncementRef | undefined
}

export type FastRead =
  | Exclude<ReadJudgement, { readonly kind: 'waiting' }>
  /** A quorum has dropped it, or knows by its gateway's floor that it is closed (4.12.5). */
  | { readonly kind: 'gone' }
  /** Fewer than a quorum answered in time. */
  | { readonly kind: 'unreachable'; readonly answered: number }

interface Heard {
  readonly replies: ReadonlyMap<string, ValueReply>
  readonly refusals: readonly RegisterReply[]
  readonly isOpen: boolean
}

export interface ReadClientParts {
  readonly transport: Transport
  readonly digest: Digest
  readonly log: Log
  readonly equivocations: Pick<Equivocations, 'hear'>
}

/**
 * Reads registers without writing (lease-protocol 4.6): w small requests, one round trip. Resolves
 * with the first quorum that agrees, and only once all have answered or failed with anything else.
 */
export class ReadClient {
  readonly #parts: ReadClientParts

  constructor(parts: ReadClientParts) {
    this.#parts = parts
  }

  /** `onLagging` is told of those whose answer came after the quorum's, and lacks what is chosen. */
  async read(
    ref: RegisterRef,
    set: WitnessSet,
    signal?: AbortSignal,
    onLagging: (peerId: string, chosen: Accepted) => void = () => undefined
  ): Promise<FastRead> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<FastRead>()
    const replies = new Map<string, ValueReply>()
    const refusals: RegisterReply[] = []
    let open = set.witnesses.length
    let chosen: Accepted | undefined
    const hear = (peerId: string, reply: RegisterReply | undefined) => {
      open -= 1
      if (chosen !== undefined) {
        if (lacks(reply, chosen)) onLagging(peerId, chosen)
        return
      }
      if (reply?.kind === 'value') replies.set(peerId, reply)
      else if (reply !== undefined) refusals.push(reply)
      const verdict = this.#verdict({ replies, refusals, isOpen: open > 0 }, set.quorum)
      if (verdict?.kind === 'chosen') chosen = verdict.accepted
      if (verdict !== undefined) resolve(verdict)
    }
    for (const witness of set.witnesses) {
      this.#ask(ref, witness, set.profile.requestTimeoutMs, signal)
        .then((reply) => hear(witness.peerId, reply))
        .catch(reject)
    }
    const read = await promise
    this.#alarm(ref, read)
    return read
  }

  /** Undefined while more has to be heard. */
  #verdict({ replies, refusals, isOpen }: Heard, quorum: number): FastRead | undefined {
    if (isGoneAt(refusals, quorum)) return { kind: 'gone' }
    const judged = judgeRead(replies, quorum, this.#parts.digest)
    if (judged.kind !== 'chosen' && isOpen) return
    return judged.kind === 'waiting' ? { kind: 'unreachable', answered: replies.size } : judged
  }

  async #ask(
    { register, witnessEpoch, ann }: RegisterRef,
    { peerId, storeId }: WitnessRef,
    timeoutMs: number,
    signal: AbortSignal | undefined
  ): Promise<RegisterReply | undefined> {
    const scope = { register, witnessEpoch, storeId, ann }
    try {
      return await this.#parts.transport.request(
        peerId,
        { kind: 'read', scope },
        { timeoutMs, signal }
      )
    } catch (error) {
      signal?.throwIfAborted()
      if (codeOf(error) === undefined) throw error
      return undefined
    }
  }

  #alarm({ register, witnessEpoch }: RegisterRef, read: FastRead): void {
    if (read.kind === 'unreachable' || read.kind === 'gone') return
    if (read.equivocation === undefined) return
    const [first, second] = read.equivocation
    const { ballot } = first
    this.#parts.log.error({ register, witnessEpoch, ballot }, 'equivocation found')
    const { peer } = ballot
    this.#parts.equivocations.hear({
      kind: 'proposals',
      peer,
      register,
      witnessEpoch,
      first,
      second
    })
  }
}
