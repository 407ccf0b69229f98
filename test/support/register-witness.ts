import type { AcceptorContext, AcceptorState } from '../../protocol/core/acceptor.ts'
import { accept, acceptorOf, prepare, read, renew } from '../../protocol/core/acceptor.ts'
import { type LeasedJob, leasedJob, takeOverMsOf } from '../../protocol/core/lease-timer.ts'
import type { RegisterReply, RegisterRequest, RegisterValue } from '../../protocol/core/messages.ts'
import type { AcceptorRecord, Digest, Verifier } from '../../protocol/core/ports.ts'
import { plainVerifier } from './plain-signer.ts'
import type { RegisterLog } from './register-log.ts'
import type { LocalClock, Timeline } from './timeline.ts'

interface WitnessParts {
  readonly timeline: Timeline
  readonly digest: Digest
  readonly log: RegisterLog
  readonly leaseMs: number
  readonly syncMsMax: number
  readonly clock: LocalClock
}

/** The real acceptor with a disk that takes its time and a memory that a restart empties. */
export class ClusterWitness {
  readonly id: string
  readonly #parts: WitnessParts
  readonly #verifier: Verifier
  #disk: AcceptorRecord | undefined
  #unsynced: { readonly record: AcceptorRecord; readonly atMs: number }[] = []
  #state: AcceptorState
  #syncedAtMs = 0
  #boots = 0
  /**
   * Last word of each claim that this witness took, by its own clock: kept apart from the acceptor.
   */
  readonly #heard = new Map<string, number>()
  /** Claims that were renewed here: their holders know them as chosen. */
  readonly #renewed = new Set<string>()

  constructor(id: string, parts: WitnessParts) {
    this.id = id
    this.#parts = parts
    this.#verifier = plainVerifier(parts.digest)
    this.#state = acceptorOf(undefined, parts.clock.localMs())
  }

  get state(): AcceptorState {
    return this.#state
  }

  receive(remote: string, message: RegisterRequest, reply: (reply: RegisterReply) => void): void {
    const nowMs = this.#parts.clock.localMs()
    if (message.kind === 'renew') {
      this.#renew(remote, message, nowMs, reply)
      return
    }
    if (message.kind !== 'read' && message.kind !== 'prepare' && message.kind !== 'accept') return
    const before = this.#state.record.accepted?.value
    const context = this.#context(remote, message, nowMs)
    const step =
      message.kind === 'read'
        ? read(this.#state, message.scope.ann, context)
        : message.kind === 'prepare'
          ? prepare(this.#state, message, context)
          : accept(this.#state, message, context)
    this.#state = step.state
    if (step.durability === 'save' && message.kind === 'accept') {
      this.#checkGuard(before, message.value, nowMs)
    }
    if (step.durability === 'save') this.#save(step.state.record)
    this.#answer(step.durability, () => reply(step.reply))
  }

  /** The process ends; what was not synced is lost, but for what the disk had taken already. */
  restart(): void {
    const { timeline, clock } = this.#parts
    const kept = Math.floor(timeline.random() * (this.#unsynced.length + 1))
    const last = this.#unsynced[kept - 1]
    if (last !== undefined) this.#write(last.record)
    this.#unsynced = []
    this.#boots += 1
    this.#syncedAtMs = timeline.nowMs
    this.#state = acceptorOf(this.#disk, clock.localMs())
    for (const claim of this.#heard.keys()) this.#heard.set(claim, clock.localMs())
  }

  #renew(
    remote: string,
    { items }: Extract<RegisterRequest, { readonly kind: 'renew' }>,
    nowMs: number,
    reply: (reply: RegisterReply) => void
  ): void {
    const [item] = items
    if (item === undefined) return
    const step = renew(this.#state, item, this.#context(remote, undefined, nowMs))
    this.#state = step.state
    if (step.result.answer === 'ok') {
      this.#heard.set(item.claimId, nowMs)
      this.#renewed.add(item.claimId)
    }
    this.#answer(step.durability, () => reply({ kind: 'renewed', items: [step.result] }))
  }

  #context(remote: string, message: RegisterRequest | undefined, nowMs: number): AcceptorContext {
    const accepting = message?.kind === 'accept' ? message : undefined
    return {
      nowMs,
      remote,
      remoteIsMember: true,
      leaseMs: this.#parts.leaseMs,
      valueValid: accepting !== undefined && this.#verifier.value(accepting.value),
      proposalValid:
        accepting !== undefined &&
        this.#verifier.proposal(accepting.scope.register, accepting.scope.witnessEpoch, accepting),
      digest: this.#parts.digest,
      createValid: true,
      floorOf: () => 0,
      announced: undefined
    }
  }

  // I13 by other means than the acceptor's own: who was heard when, and whether the holder let go.
  #checkGuard(before: RegisterValue | undefined, value: RegisterValue, nowMs: number): void {
    const held = leasedJob(before)
    const next = leasedJob(value)
    if (held !== undefined && value.kind === 'job') {
      const ended = value.history.find(({ epoch }) => epoch === held.epoch)
      const mine = ended?.claimId === held.lease.claimId
      const undone = this.#renewed.has(held.lease.claimId) && !mine && !isSameClaim(held, next)
      const deposed = value.epoch > held.epoch || (mine && ended?.end === 'expired') || undone
      const letGo = !deposed || (mine && ended?.end !== 'expired')
      const silentMs = nowMs - (this.#heard.get(held.lease.claimId) ?? 0)
      if (!letGo && silentMs < takeOverMsOf(held.lease.leaseMs)) {
        this.#parts.log.problems.push(
          `I13: ${this.id} let epoch ${held.epoch} go after ${silentMs}`
        )
      }
    }
    if (next !== undefined && next.lease.claimId !== held?.lease.claimId) {
      this.#heard.set(next.lease.claimId, nowMs)
    }
  }

  // Group commit: what is handed in later is synced later.
  #save(record: AcceptorRecord): void {
    const { timeline, syncMsMax } = this.#parts
    const atMs = Math.max(this.#syncedAtMs, timeline.nowMs + timeline.random() * syncMsMax)
    this.#syncedAtMs = atMs
    this.#unsynced.push({ record, atMs })
    const boot = this.#boots
    timeline.at(atMs, () => {
      if (boot !== this.#boots) return
      this.#unsynced.shift()
      this.#write(record)
    })
  }

  #write(record: AcceptorRecord): void {
    this.#disk = record
    this.#parts.log.syncs(this.id, record)
  }

  #answer(durability: 'save' | 'barrier' | 'none', task: () => void): void {
    const { timeline } = this.#parts
    const boot = this.#boots
    const atMs = durability === 'none' ? timeline.nowMs : this.#syncedAtMs
    timeline.at(atMs, () => {
      if (boot === this.#boots) task()
    })
  }
}

function isSameClaim(held: LeasedJob, next: LeasedJob | undefined): boolean {
  return next?.epoch === held.epoch && next.lease.claimId === held.lease.claimId
}
