import type { Ref, SimClient } from './client.ts'
import type { Disk } from './disk.ts'
import type { SimFloors } from './floors.ts'
import type { SimProcess } from './process.ts'
import { forget, sweep } from './retention.ts'
import { placeOf, type Scene } from './scene.ts'
import type { Shelf } from './shelf.ts'
import type { WitnessRegisters } from './witness-registers.ts'

interface RetentionParts {
  readonly scene: Scene
  readonly process: SimProcess
  readonly disk: () => Disk
  readonly shelf: Shelf
  readonly floors: SimFloors
  readonly client: Pick<SimClient, 'read'>
}

/** Milliseconds between two looks for runs that may be dropped. */
const SWEEP_MS = 1_000

/** Looks again and again, in one life of a witness, for what it may drop or forget. */
export class RetentionLook {
  readonly #parts: RetentionParts
  readonly #registers: WitnessRegisters
  /** Places that are open here, of which a quorum says that they are gone. */
  readonly #gone = new Set<string>()

  constructor(parts: RetentionParts, registers: WitnessRegisters) {
    this.#parts = parts
    this.#registers = registers
  }

  start(): void {
    this.#parts.process.arm(SWEEP_MS, () => {
      this.#look()
      this.start()
    })
  }

  #look(): void {
    const { scene, process, shelf, floors, disk } = this.#parts
    const { wallMs } = process
    const registers = this.#registers
    const dropped = sweep({
      disk: disk(),
      registers,
      floorOf: (gateway) => floors.of(gateway),
      nowMs: process.nowMs,
      wallMs,
      announcementOf: (annHash) => shelf.find(annHash)?.announcement,
      gone: this.#gone,
      onOpen: (ref) => this.#ask(ref)
    })
    if (dropped.length > 0) scene.count('witness: run dropped')
    forget({ disk: disk(), registers, wallMs })
  }

  /** Where nobody is away for months the end of what is open here comes by itself. */
  #ask(ref: Ref): void {
    const { scene, client } = this.#parts
    if (!scene.options.months) return
    client.read(ref, 'never', ({ kind }) => {
      if (kind !== 'gone') return
      scene.count('witness: open, and gone elsewhere')
      this.#gone.add(placeOf(ref.register, ref.witnessEpoch))
    })
  }
}
