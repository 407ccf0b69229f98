import type { ChangeRequest } from '../../protocol/core/change.ts'
import type { Accepted, RegisterReply, RegisterRequest } from '../../protocol/core/messages.ts'
import { WRITE_BACKS_MAX } from '../../protocol/core/recovery-limits.ts'
import type { WitnessRef } from '../../protocol/core/witnesses.ts'
import type { ReadRef, Ref } from './client.ts'
import type { SimProcess } from './process.ts'
import { placeOf, type Scene } from './scene.ts'

interface RepairParts {
  readonly scene: Scene
  readonly process: SimProcess
  ask(
    to: WitnessRef,
    message: RegisterRequest,
    answer: (reply: RegisterReply | undefined) => void
  ): void
  /**
   * For our own witness, which has promised a higher round and still lacks what is chosen; `done`
   * gets true once it is known to have it.
   */
  writeBack(ref: Ref, done: (isOver: boolean) => void): void
}

interface Push {
  readonly accepted: Accepted
  readonly announcement: Uint8Array | undefined
}

/** Whoever learns a chosen value brings it to the witnesses that lag (4.12.17). */
export class SimRepairs {
  readonly #parts: RepairParts
  #pushed = new Set<string>()

  constructor(parts: RepairParts) {
    this.#parts = parts
    parts.process.onCrash(() => {
      this.#pushed = new Set()
    })
  }

  /** For a reader: only where it is a witness itself, or holds the lease. */
  bring(
    ref: ReadRef,
    witnesses: ChangeRequest['witnesses'],
    accepted: Accepted,
    peers: readonly string[]
  ): void {
    const { ann } = ref
    if (ann === undefined || !this.#mayRepair(witnesses, accepted)) return
    this.push({ ...ref, ann }, witnesses, { accepted, announcement: undefined }, peers)
  }

  push(
    ref: Ref,
    witnesses: ChangeRequest['witnesses'],
    { accepted, announcement }: Push,
    peers: readonly string[]
  ): void {
    const place = placeOf(ref.register, ref.witnessEpoch)
    const { round, peer, boot } = accepted.ballot
    for (const witness of witnesses) {
      const name = `${witness.peerId} ${place} ${round} ${peer} ${boot}`
      if (!peers.includes(witness.peerId) || this.#pushed.has(name)) continue
      this.#pushed.add(name)
      this.#pushTo(witness, name, ref, { accepted, announcement })
    }
  }

  #pushTo(witness: WitnessRef, name: string, ref: Ref, { accepted, announcement }: Push): void {
    const { process, scene, ask, writeBack } = this.#parts
    const { register, witnessEpoch, ann } = ref
    const scope = { register, witnessEpoch, storeId: witness.storeId, ann }
    const accept = { kind: 'accept', scope, ...accepted, announcement } as const
    const isOwn = witness.peerId === process.peerId
    let tries = 0
    const later = (): void => {
      const { antiEntropyMs, requestTimeoutMs } = scene.profile
      const isLast = isOwn ? tries > WRITE_BACKS_MAX : tries > 1
      if (isLast) this.#pushed.delete(name)
      else process.arm(tries === 1 ? requestTimeoutMs : antiEntropyMs, send)
    }
    const send = (): void => {
      tries += 1
      let isOver = false
      ask(witness, accept, (reply) => {
        const isOutrun = reply?.kind === 'rejected' && reply.code === 'ballot'
        if (isOver || reply?.kind === 'accepted' || (isOutrun && !isOwn)) return
        isOver = true
        if (!isOutrun || tries === 1) later()
        else {
          writeBack(ref, (isMade) => {
            if (isMade) this.#pushed.delete(name)
            else later()
          })
        }
      })
    }
    send()
  }

  #mayRepair(witnesses: ChangeRequest['witnesses'], { value }: Accepted): boolean {
    const { peerId } = this.#parts.process
    if (witnesses.some((witness) => witness.peerId === peerId)) return true
    return value.kind === 'job' && value.lease?.holder === peerId
  }
}
