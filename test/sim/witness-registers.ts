import { type AcceptorState, acceptorOf, droppedAcceptor } from '../../protocol/core/acceptor.ts'
import { leasedJob } from '../../protocol/core/lease-timer.ts'
import type { AcceptorRecord, RecordKey } from '../../protocol/core/ports.ts'
import type { Disk } from './disk.ts'
import { placeOf } from './scene.ts'

/** What the store keeps of one register. */
export interface RecordRow {
  readonly record: AcceptorRecord
  readonly register: string
}

/** One register in memory, with the writes to wait for before it may be shown. */
export interface WitnessRegister {
  readonly place: string
  readonly key: RecordKey
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

  take(key: RecordKey): WitnessRegister {
    const place = placeOf(key.register, key.witnessEpoch)
    const known = this.#known.get(place)
    if (known !== undefined) return known
    const row = this.#disk.read(`r/${place}`) as RecordRow | undefined
    const dropped = this.#disk.read(`t/${place}`) !== undefined
    const state = acceptorOf(row?.record, this.#startedAtMs, dropped)
    const fresh = { place, key, state, savedSeq: 0, savedAcceptSeq: 0 }
    this.#known.set(place, fresh)
    return fresh
  }

  /** Those that are leased, among those in memory. */
  *leased(): Generator<WitnessRegister> {
    for (const register of this.#known.values()) {
      if (leasedJob(register.state.record.accepted?.value) !== undefined) yield register
    }
  }

  /** Its record is handed to the disk as gone. */
  drop(register: WitnessRegister, nowMs: number): void {
    register.state = droppedAcceptor(nowMs)
  }

  /** Whoever asks next finds what the disk has: nothing. */
  forget(place: string): void {
    this.#known.delete(place)
  }

  save(register: WitnessRegister, isAccept: boolean): void {
    const row: RecordRow = { record: register.state.record, register: register.key.register }
    register.savedSeq = this.#disk.put(`r/${register.place}`, row)
    if (isAccept) register.savedAcceptSeq = register.savedSeq
  }
}
