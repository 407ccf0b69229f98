import { type AcceptorState, acceptorOf } from '../../protocol/core/acceptor.ts'
import type { AcceptorRecord } from '../../protocol/core/ports.ts'
import type { Disk } from './disk.ts'

/** What the store keeps of one register. */
export interface RecordRow {
  readonly record: AcceptorRecord
  readonly register: string
}

/** One register in memory, with the writes to wait for before it may be shown. */
export interface WitnessRegister {
  readonly place: string
  readonly register: string
  state: AcceptorState
  savedSeq: number
  savedAcceptSeq: number
}

/** The registers that one life of a witness has touched: loaded when first asked for. */
export class WitnessRegisters {
  readonly #disk: Disk
  readonly #startedAtMs: number
  readonly #known = new Map<string, WitnessRegister>()

  constructor(disk: Disk, startedAtMs: number) {
    this.#disk = disk
    this.#startedAtMs = startedAtMs
  }

  take(place: string, register: string): WitnessRegister {
    const known = this.#known.get(place)
    if (known !== undefined) return known
    const row = this.#disk.read(`r/${place}`) as RecordRow | undefined
    const state = acceptorOf(row?.record, this.#startedAtMs)
    const fresh = { place, register, state, savedSeq: 0, savedAcceptSeq: 0 }
    this.#known.set(place, fresh)
    return fresh
  }

  all(): Iterable<WitnessRegister> {
    return this.#known.values()
  }

  save(register: WitnessRegister, isAccept: boolean): void {
    const row: RecordRow = { record: register.state.record, register: register.register }
    register.savedSeq = this.#disk.put(`r/${register.place}`, row)
    if (isAccept) register.savedAcceptSeq = register.savedSeq
  }
}
