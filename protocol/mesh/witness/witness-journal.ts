import type { AcceptorStep } from '../../core/acceptor.ts'
import { causeOf, codeOf, type ErrorCode, MeshError } from '../../core/errors.ts'
import type { RegisterReply } from '../../core/messages.ts'
import type { WitnessStore, WitnessWrite } from '../../core/ports.ts'
import type { Change, WitnessRegister, WitnessRegisters } from './witness-registers.ts'

type AnnouncementWrite = WitnessWrite['announcement']

/**
 * Stands between what an acceptor decided and the reply that shows it: saves in the order of the
 * decisions and lets nothing positive out before its sync (D1, D2, D3, I10). After the first failed
 * sync nothing is answered any more (D6): memory then holds promises that no disk has.
 */
export class WitnessJournal {
  readonly #store: WitnessStore
  readonly #registers: WitnessRegisters
  readonly #onFailure: (error: MeshError) => void
  /** Sequence of the newest batch known to be synced. */
  #wseq = 0
  #shownSeq = 0
  /** The sync that was waited for last: all that it holds wait for the same outcome. */
  #newest: { readonly sync: Promise<number>; readonly outcome: Promise<number> } | undefined
  #failure: MeshError | undefined

  constructor(
    parts: { readonly store: WitnessStore; readonly registers: WitnessRegisters },
    onFailure: (error: MeshError) => void
  ) {
    this.#store = parts.store
    this.#registers = parts.registers
    this.#onFailure = onFailure
  }

  /**
   * The highest sequence that anyone was shown, by this process or one before it. Not that of the
   * newest batch: a store that was set back to an old copy may have grown past what it forgot.
   */
  get shownSeq(): number {
    return this.#shownSeq
  }

  /** Learns where the store stands. Rejects with STORE_FAILED. */
  async start(): Promise<void> {
    this.show(await this.#synced(this.#store.barrier()))
  }

  /** Notes that a reply shows this sequence. */
  show(seq: number): void {
    this.#shownSeq = Math.max(this.#shownSeq, seq)
  }

  /** Throws STORE_FAILED or STORE_SUSPECT once the store has failed. */
  assertWhole(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * From here on nothing is answered: what this store holds is not what was promised. False where
   * that was so before.
   */
  distrust(cause: string): boolean {
    if (this.#failure !== undefined) return false
    this.#failure = new MeshError('STORE_SUSPECT', { dir: 'of this witness', cause })
    return true
  }

  /**
   * Takes the step's state into memory at once, before any await, and resolves with its reply when
   * that may leave. Must be called in the same turn as the step was made.
   */
  async commit(
    register: WitnessRegister,
    step: AcceptorStep,
    announcement?: AnnouncementWrite
  ): Promise<RegisterReply> {
    const before = register.state.record.accepted
    register.state = step.state
    if (step.durability === 'none') return step.reply
    if (step.durability === 'save') {
      const change = step.state.record.accepted === before ? 'promise' : 'accept'
      this.#save(register, change, announcement)
    }
    const saved = this.#saved(register)
    const wseq = saved === undefined ? this.#wseq : await this.#synced(saved)
    return this.#withSequence(step.reply, wseq)
  }

  /**
   * Waits until what the register has accepted is synced, whatever it promised since: a promise on
   * its way to a slow disk must not silence a holder's renewals. Starts no commit of its own.
   */
  async acceptedShown(register: WitnessRegister): Promise<void> {
    if (register.unsaved === 'accept') this.#save(register, 'accept', undefined)
    if (register.savedAccept !== undefined) await this.#synced(register.savedAccept)
  }

  /** The sync that brings all that the register shows; undefined where that is synced. */
  #saved(register: WitnessRegister): Promise<number> | undefined {
    const { unsaved } = register
    if (unsaved !== undefined) this.#save(register, unsaved, undefined)
    return register.saved
  }

  #save(register: WitnessRegister, change: Change, announcement: AnnouncementWrite): void {
    const { key, state, unstored } = register
    const write = { key, record: state.record, announcement: announcement ?? unstored }
    this.#registers.saving(register, this.#store.save(write), write, change)
  }

  #withSequence(reply: RegisterReply, wseq: number): RegisterReply {
    if (!('wseq' in reply)) return reply
    this.show(wseq)
    return { ...reply, wseq }
  }

  #synced(sync: Promise<number>): Promise<number> {
    if (this.#newest?.sync !== sync) this.#newest = { sync, outcome: this.#outcome(sync) }
    return this.#newest.outcome
  }

  async #outcome(sync: Promise<number>): Promise<number> {
    try {
      const sequence = await sync
      // A reply that waited may find that another sync failed meanwhile: then nothing leaves.
      this.assertWhole()
      this.#wseq = Math.max(this.#wseq, sequence)
      return sequence
    } catch (error) {
      // Refused, not failed: nothing was written, and the register remembers that it must be.
      if (codeOf(error) === 'OVERLOADED') throw error
      throw this.#fail(error)
    }
  }

  #fail(error: unknown): MeshError {
    if (this.#failure !== undefined) return this.#failure
    this.#failure =
      error instanceof MeshError && FINAL.has(error.code)
        ? error
        : new MeshError(
            'STORE_FAILED',
            { dir: 'of this witness', action: 'sync', cause: causeOf(error) },
            { cause: error }
          )
    this.#onFailure(this.#failure)
    return this.#failure
  }
}

const FINAL: ReadonlySet<ErrorCode> = new Set(['STORE_FAILED', 'STORE_SUSPECT'])
