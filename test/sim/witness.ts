import {
  type AcceptorContext,
  type AcceptorStep,
  type AcceptRequest,
  accept,
  prepare,
  read
} from '../../protocol/core/acceptor.ts'
import type {
  AnnouncementRef,
  Hint,
  RegisterReply,
  RegisterRequest,
  RegisterScope,
  RejectCode,
  RenewItem
} from '../../protocol/core/messages.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import { isSealed } from '../../protocol/core/run-reducer.ts'
import { witnessRefs } from '../../protocol/core/witnesses.ts'
import { LeaseSweep } from '../../protocol/mesh/witness/lease-sweep.ts'
import type { SimClient } from './client.ts'
import type { Disk } from './disk.ts'
import { admitFirst } from './first-accept.ts'
import type { SimFloors } from './floors.ts'
import type { SimMoveProofs } from './move-proofs.ts'
import type { Network } from './network.ts'
import type { SimProcess } from './process.ts'
import { RetentionLook } from './retention-look.ts'
import type { SimRosters } from './rosters.ts'
import type { Scene } from './scene.ts'
import type { Shelf } from './shelf.ts'
import { showCreate, showOwed, showPromise, showReply } from './shown.ts'
import { syncPage } from './sync-index.ts'
import { type WitnessRegister, WitnessRegisters } from './witness-registers.ts'
import { answerRenewals } from './witness-renewals.ts'

export interface WitnessParts {
  readonly scene: Scene
  readonly process: SimProcess
  readonly disk: () => Disk
  readonly network: Network
  readonly shelf: Shelf
  readonly rosters: SimRosters
  readonly proofs: SimMoveProofs
  readonly floors: SimFloors
  readonly client: Pick<SimClient, 'read'>
  /** The sequence of a store of `peer` that this process was shown. */
  seenOf(peer: string, storeId: string): number
  /** The process ends: its store has forgotten something. */
  onDistrust(): void
  /** A lease has run out by the timer of this witness, told `repeat` times before. */
  onExpired(hint: Hint, repeat: number): void
}

type Answer = (reply: RegisterReply) => void

/** What an old copy must not answer. */
const SHOWS_REGISTERS = new Set<RegisterRequest['kind']>(['read', 'prepare', 'accept', 'renew'])

/**
 * A witness: the real acceptor over a disk that takes its time. What protocol/mesh does around
 * core is done here in the same order: persist, then reply.
 */
export class SimWitness {
  readonly #parts: WitnessParts
  #registers: WitnessRegisters
  #shownSeq = 0
  #toAsk = 0
  #held: (() => void)[] = []

  constructor(parts: WitnessParts) {
    this.#parts = parts
    this.#registers = new WitnessRegisters(parts.disk(), 0)
    parts.process.onStart(() => this.#boot())
  }

  /** True while a roster's store is here, whole, and believed. */
  get isWhole(): boolean {
    return this.#isSeated() && !this.#disk.isRuined
  }

  get #disk(): Disk {
    return this.#parts.disk()
  }

  /** In any roster that is known here: the registers of earlier epochs are kept. */
  #isSeated(): boolean {
    const { rosters } = this.#parts
    const { storeId } = this.#disk
    return rosters.all().some((roster) => {
      return witnessRefs(roster).some((ref) => ref.storeId === storeId)
    })
  }

  /** One request of a member; silent where a failed or doubtful store must not answer. */
  receive(remote: string, request: RegisterRequest, reply: Answer): void {
    if (this.#disk.hasFailed) return
    if (request.kind === 'seen') {
      reply({ kind: 'seen', seq: this.#parts.seenOf(remote, request.storeId) })
      return
    }
    if (!this.isWhole) {
      reply(refusal('wrong_store'))
      return
    }
    // Until the others were asked what is here may be an old copy (4.8).
    if (this.#toAsk > 0 && SHOWS_REGISTERS.has(request.kind)) {
      this.#held.push(() => this.receive(remote, request, reply))
      return
    }
    this.#answer(remote, request, reply)
  }

  #answer(remote: string, request: RegisterRequest, reply: Answer): void {
    switch (request.kind) {
      case 'read':
        this.#in(request.scope, reply, (register) => {
          this.#commit(
            register,
            read(register.state, request.scope.ann, this.#context(remote)),
            reply
          )
        })
        return
      case 'prepare':
        this.#in(request.scope, reply, (register) => {
          const step = prepare(register.state, request, this.#context(remote))
          const { nowMs: localMs } = this.#parts.process
          const at = { store: this.#disk.storeId, place: register.place, localMs }
          showPromise(this.#parts.scene, at, register.state, step.reply)
          this.#commit(register, step, reply)
        })
        return
      case 'accept':
        this.#in(request.scope, reply, (register) => {
          this.#accept(remote, register, request, reply)
        })
        return
      case 'renew':
        this.#renew(remote, request.items, request.seenSeq, reply)
        return
      case 'sync':
        this.#sync(remote, request, reply)
        return
      case 'announcement': {
        const bytes = this.#parts.shelf.find(request.annHash)?.bytes
        reply({ kind: 'announcement', bytes })
        return
      }
      default:
        return
    }
  }

  #in(scope: RegisterScope, reply: Answer, use: (register: WitnessRegister) => void): void {
    if (scope.storeId !== this.#disk.storeId) reply(refusal('wrong_store'))
    else if (!this.#holds(scope)) reply(refusal('wrong_roster'))
    else use(this.#take(scope))
  }

  #holds({ register, witnessEpoch, storeId }: RegisterScope): boolean {
    const { scene, rosters } = this.#parts
    if (rosters.at(witnessEpoch) === undefined) return false
    return scene.witnesses(register, witnessEpoch).some((ref) => ref.storeId === storeId)
  }

  #take({ register, witnessEpoch }: RegisterScope): WitnessRegister {
    return this.#registers.take({ register, witnessEpoch })
  }

  #context(remote: string, request?: AcceptRequest): AcceptorContext {
    const { scene, process } = this.#parts
    const verify = scene.verifier
    return {
      nowMs: process.nowMs,
      remote,
      remoteIsMember: true,
      leaseMs: scene.profile.leaseMs,
      valueValid: request !== undefined && verify.value(request.value),
      proposalValid:
        request !== undefined &&
        (request.ballot.peer === remote ||
          verify.proposal(request.scope.register, request.scope.witnessEpoch, request)),
      digest: scene.digest,
      createValid: request !== undefined,
      floorOf: (gateway) => this.#parts.floors.of(gateway),
      announced: request === undefined ? undefined : this.#announced(request.value.annHash)
    }
  }

  #announced(annHash: string): AnnouncementRef | undefined {
    const announcement = this.#parts.shelf.find(annHash)?.announcement
    if (announcement === undefined) return
    const { gateway, gwSeq } = announcement
    return { gateway, gwSeq, annHash }
  }

  // The announcement of a first value is sent along, at hand, or asked for; only then comes the
  // step, in one turn with its save.
  #accept(remote: string, register: WitnessRegister, request: AcceptRequest, reply: Answer): void {
    const { shelf } = this.#parts
    const { value, announcement } = request
    const known = register.state.record.accepted?.value
    // A sealed register has no announcement, and never will.
    const isFirst = !isSealed(value) && known?.annHash !== value.annHash
    if (announcement !== undefined) shelf.open(announcement, value.annHash)
    if (!isFirst) {
      this.#acceptNow(remote, register, request, reply)
      return
    }
    const { register: name, witnessEpoch } = request.scope
    const set = this.#parts.scene.witnesses(runIdOf(name), witnessEpoch)
    // Those of its own epoch: they may be witnesses of nothing later, and alone have its bytes.
    const from = [remote, ...set.map(({ peerId }) => peerId)]
    admitFirst(this.#parts, request, from, (code) => {
      if (code === undefined) this.#acceptNow(remote, register, request, reply)
      else reply(refusal(code))
    })
  }

  #acceptNow(
    remote: string,
    register: WitnessRegister,
    request: AcceptRequest,
    reply: Answer
  ): void {
    const { scene, shelf } = this.#parts
    const { storeId: store } = this.#disk
    const { place } = register
    const { value, ballot } = request
    const known = register.state.record.accepted?.value
    const step = accept(register.state, request, this.#context(remote, request))
    if (step.durability === 'save') {
      const { nowMs: localMs } = this.#parts.process
      const facts = { store, place, localMs }
      const hash = scene.digest.hash(value)
      const { ann } = request.scope
      // By the announcement that its value names: what a rogue says beside it is anything.
      const named = shelf.find(value.annHash)?.announcement ?? ann
      if (known === undefined && named !== undefined) showCreate(scene, { store, place }, named)
      const changes = known === undefined || scene.digest.hash(known) !== hash
      scene.emit({ kind: 'takes', ...facts, ballot, hash, value, before: known, changes })
      shelf.store(value.annHash)
    }
    this.#commit(register, step, (answer) => {
      if (answer.kind === 'accepted') showOwed(scene, { store, place, remote }, request)
      reply(answer)
    })
  }

  /** Into memory at once; the reply leaves when all that it shows is on the disk. */
  #commit(register: WitnessRegister, step: AcceptorStep, reply: Answer): void {
    const before = register.state.record.accepted
    const { nowMs: madeAtMs } = this.#parts.process
    register.state = step.state
    if (step.durability === 'none') {
      this.#leave(register, step, madeAtMs, reply)
      return
    }
    if (step.durability === 'save') {
      this.#registers.save(register, step.state.record.accepted !== before)
    }
    this.#whenSynced(register.savedSeq, () => {
      this.#leave(register, step, madeAtMs, reply)
    })
  }

  #leave(
    { place }: WitnessRegister,
    { reply, state: { record } }: AcceptorStep,
    madeAtMs: number,
    answer: Answer
  ): void {
    const wseq = this.#disk.syncedSeq
    if ('wseq' in reply) this.#shownSeq = Math.max(this.#shownSeq, wseq)
    showReply(this.#parts.scene, { store: this.#disk.storeId, place, madeAtMs }, reply, record)
    answer('wseq' in reply ? { ...reply, wseq } : reply)
  }

  #whenSynced(seq: number, task: () => void): void {
    const { process } = this.#parts
    const { boot } = process
    this.#disk.whenSynced(seq, () => process.run(boot, task))
  }

  #renew(remote: string, items: readonly RenewItem[], seenSeq: number, reply: Answer): void {
    if (seenSeq > this.#shownSeq) {
      reply(refusal('wrong_store'))
      if (this.#isWitness(remote)) this.#distrust()
      return
    }
    const { scene, process } = this.#parts
    const { storeId } = this.#disk
    const take = (scope: RegisterScope): WitnessRegister => this.#take(scope)
    const whenSynced = (seq: number, task: () => void): void => this.#whenSynced(seq, task)
    const witness = { scene, process, storeId, take, whenSynced }
    answerRenewals(witness, items, this.#context(remote), reply)
  }

  #sync(
    remote: string,
    request: Extract<RegisterRequest, { readonly kind: 'sync' }>,
    reply: Answer
  ): void {
    const seenSeq = Math.max(request.sinceSeq, request.seenSeq)
    if (request.storeId !== this.#disk.storeId) {
      reply(refusal('wrong_store'))
      return
    }
    if (seenSeq > this.#shownSeq) {
      if (this.#isWitness(remote)) this.#distrust()
      reply(refusal('wrong_store'))
      return
    }
    const page = syncPage(this.#disk, request)
    this.#shownSeq = Math.max(this.#shownSeq, page.next)
    reply({ kind: 'synced', storeId: request.storeId, ...page })
  }

  #boot(): void {
    const { scene, process, network } = this.#parts
    const disk = this.#disk
    this.#registers = new WitnessRegisters(disk, process.nowMs)
    this.#held = []
    this.#shownSeq = disk.syncedSeq
    const arm = (afterMs: number, task: () => void) => process.arm(afterMs, task)
    const bootMs = () => process.nowMs
    const clock = { bootMs, monotonicMs: bootMs, wallMs: () => process.wallMs, arm }
    const { onExpired } = this.#parts
    new RetentionLook(this.#parts, this.#registers).start()
    new LeaseSweep({ registers: this.#registers, clock }, onExpired).start()
    this.#toAsk = 0
    const { storeId } = disk
    scene.emit({ kind: 'boots', store: storeId, localMs: process.nowMs })
    if (!this.isWhole) return
    for (const peer of this.#others()) {
      this.#toAsk += 1
      let isOver = false
      network.request(
        process,
        peer,
        { kind: 'seen', storeId },
        scene.profile.requestTimeoutMs,
        (reply) => {
          if (reply?.kind === 'seen' && reply.seq > this.#shownSeq) this.#distrust()
          if (!isOver) this.#asked()
          isOver = true
        }
      )
    }
  }

  #asked(): void {
    this.#toAsk -= 1
    if (this.#toAsk > 0) return
    const held = this.#held
    this.#held = []
    for (const task of held) task()
  }

  // This store once held more than it does now: it is another's memory that tells (4.8).
  #distrust(): void {
    if (this.#disk.isRuined) return
    this.#disk.isRuined = true
    this.#parts.onDistrust()
  }

  #others(): readonly string[] {
    const { rosters, process } = this.#parts
    const peers = witnessRefs(rosters.current).map(({ peerId }) => peerId)
    return peers.filter((peerId) => peerId !== process.peerId)
  }

  #isWitness(peer: string): boolean {
    return witnessRefs(this.#parts.rosters.current).some(({ peerId }) => peerId === peer)
  }
}

function refusal(code: RejectCode): RegisterReply {
  return { kind: 'rejected', code, promised: undefined, remainingMs: undefined, detail: code }
}
