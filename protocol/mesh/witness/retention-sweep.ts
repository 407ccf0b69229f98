import { causeOf, codeOf } from '../../core/errors.ts'
import { isTombstoneOver, mayDrop } from '../../core/floor.ts'
import {
  RETENTION_PAGE_RUNS,
  RETENTION_PAUSE_MS,
  RETENTION_READS_MAX,
  RETENTION_SWEEP_EVERY_MS
} from '../../core/limits.ts'
import type { AnnouncementRef } from '../../core/messages.ts'
import type { Clock, HeldRegister, RecordKey, WitnessStore } from '../../core/ports.ts'
import { type Announcement, jobIdOf } from '../../core/run.ts'
import type { Log } from '../../host/log.ts'
import { opened } from '../announcements/announcement-shelf.ts'
import { pause } from '../bounds/pause.ts'
import { stopController } from '../bounds/stop-controller.ts'
import type { RegisterClient } from '../registers/register-client.ts'
import type { Floors } from './floors.ts'
import type { WitnessRegister, WitnessRegisters } from './witness-registers.ts'

export interface RetentionSweepParts {
  readonly store: Pick<WitnessStore, 'runs' | 'drop' | 'forget' | 'announcement'>
  readonly registers: Pick<WitnessRegisters, 'take' | 'release' | 'drop'>
  readonly floors: Pick<Floors, 'of'>
  readonly client: Pick<RegisterClient, 'read'>
  readonly clock: Clock
  readonly log: Log
  /** Called for an announcement whose bytes are gone. */
  readonly onDropped: (annHash: string) => void
}

/** What of one run goes at once. */
interface Going {
  readonly keys: readonly RecordKey[]
  readonly annHashes: readonly string[]
  /** Registers that are open here, and that a quorum has dropped. */
  readonly gone: ReadonlySet<string>
}

/**
 * Drops the runs of one witness that have ended, are old enough, and are closed by their gateway's
 * own word (lease-protocol 4.10). Each is dropped whole under one witness epoch, jobs that were
 * never created here too: a witness that lagged must not be the one that lets them begin again.
 */
export class RetentionSweep {
  readonly #parts: RetentionSweepParts
  readonly #stop = stopController()
  #disarm: (() => void) | undefined
  #running: Promise<void> = Promise.resolve()
  /** How many more open registers this look may ask about. */
  #readsLeft = 0

  constructor(parts: RetentionSweepParts) {
    this.#parts = parts
  }

  /** The first look comes after a period: a start has other things to read. */
  start(): void {
    this.#disarm = this.#parts.clock.arm(RETENTION_SWEEP_EVERY_MS, () => {
      this.#running = this.sweep()
        .catch((error: unknown) => this.#failed(error))
        .finally(() => {
          if (!this.#stop.signal.aborted) this.start()
        })
    })
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#disarm?.()
    await this.#running
  }

  /** One look at everything. Rejects with OVERLOADED, STORE_FAILED or STORE_SUSPECT. */
  async sweep(): Promise<void> {
    const { store, clock, log } = this.#parts
    let dropped = 0
    this.#readsLeft = RETENTION_READS_MAX
    for (let after: string | undefined = ''; after !== undefined && this.#isRunning; ) {
      const page = await store.runs(after, RETENTION_PAGE_RUNS)
      for (const run of page.runs) if (await this.#look(run)) dropped += 1
      after = page.next
      await this.#rest()
    }
    const isOver = (droppedAtMs: number): boolean => isTombstoneOver(droppedAtMs, clock.wallMs())
    for (let after: string | undefined = ''; after !== undefined && this.#isRunning; ) {
      after = await store.forget(isOver, after, RETENTION_PAGE_RUNS)
      await this.#rest()
    }
    if (dropped > 0) log.info({ runs: dropped }, 'ended runs dropped')
  }

  get #isRunning(): boolean {
    return !this.#stop.signal.aborted
  }

  async #rest(): Promise<void> {
    await pause(this.#parts.clock, RETENTION_PAUSE_MS, this.#stop.signal)
  }

  async #look(run: readonly HeldRegister[]): Promise<boolean> {
    const going = await this.#goingOf(run)
    if (going.keys.length === 0) return false
    const taken = await this.#take(going.keys)
    try {
      if (taken.some((register) => isOpen(register) && !going.gone.has(nameOf(register.key)))) {
        return false
      }
      // In one turn, before the write: what comes in meanwhile finds them gone.
      for (const register of taken) this.#parts.registers.drop(register)
      await this.#parts.store.drop({ ...going, wallMs: this.#parts.clock.wallMs() })
    } finally {
      for (const register of taken) this.#parts.registers.release(register)
    }
    for (const annHash of going.annHashes) this.#parts.onDropped(annHash)
    return true
  }

  /** By announcement and witness epoch: one that moved is in several, and each is looked at. */
  async #goingOf(run: readonly HeldRegister[]): Promise<Going> {
    const keys: RecordKey[] = []
    const gone = new Set<string>()
    const annHashes = new Set(run.map(({ annHash }) => annHash))
    // Sealed, or only promised: no announcement tells how old it is. It goes with the others.
    annHashes.delete('')
    const staying = new Set<string>()
    for (const annHash of annHashes) {
      const bytes = await this.#parts.store.announcement(annHash)
      const announcement = bytes === undefined ? undefined : opened(bytes, annHash)?.announcement
      for (const epoch of new Set(run.map(({ witnessEpoch }) => witnessEpoch))) {
        const held = run.filter((one) => one.witnessEpoch === epoch && one.annHash === annHash)
        if (held.length === 0) continue
        const others = run.filter((one) => one.annHash !== '' && one.annHash !== annHash)
        if (!(await this.#mayGo(held, annHash, announcement, gone))) staying.add(annHash)
        else if (announcement !== undefined)
          keys.push(...keysOf(announcement, epoch).filter((key) => !isOf(others, key)))
      }
    }
    return { keys, gone, annHashes: [...annHashes].filter((annHash) => !staying.has(annHash)) }
  }

  /** Adds to `gone` what is open here alone: this witness has missed how it ended. */
  async #mayGo(
    held: readonly HeldRegister[],
    annHash: string,
    announcement: Announcement | undefined,
    gone: Set<string>
  ): Promise<boolean> {
    if (announcement === undefined) return false
    const { gateway, gwSeq } = announcement
    const open = held.filter(({ phase }) => phase === 'queued' || phase === 'leased')
    const others = held.filter((one) => !open.includes(one))
    if (!this.#mayDrop(others, announcement)) return false
    for (const key of open) {
      if (!(await this.#isGone(key, { gateway, gwSeq, annHash }))) return false
      gone.add(nameOf(key))
    }
    return true
  }

  /** Where the others still have it, the look brings here what they have: it goes the next time. */
  async #isGone({ register, witnessEpoch }: RecordKey, ann: AnnouncementRef): Promise<boolean> {
    if (this.#readsLeft <= 0 || !this.#isRunning) return false
    this.#readsLeft -= 1
    const { client } = this.#parts
    const read = await client.read({ register, witnessEpoch, ann }, { settle: 'never' })
    return read.kind === 'gone'
  }

  #mayDrop(held: readonly HeldRegister[], announcement: Announcement): boolean {
    const { gateway, gwSeq, issuedAtMs } = announcement
    const phases = held.flatMap(({ phase }) => phase ?? [])
    const { floors, clock } = this.#parts
    return mayDrop({ phases, gateway, gwSeq, issuedAtMs }, (g) => floors.of(g), clock.wallMs())
  }

  async #take(keys: readonly RecordKey[]): Promise<readonly WitnessRegister[]> {
    const taken: WitnessRegister[] = []
    try {
      for (const key of keys) taken.push(await this.#parts.registers.take(key))
      return taken
    } catch (error) {
      for (const register of taken) this.#parts.registers.release(register)
      throw error
    }
  }

  #failed(error: unknown): void {
    // Every place in use, or a store that is ending: the next look, or the next process, goes on.
    const level = codeOf(error) === undefined ? 'error' : 'debug'
    this.#parts.log[level]({ cause: causeOf(error) }, 'retention sweep failed')
  }
}

/** The run's own register and those of all its jobs, held here or not. */
function keysOf({ runId, manifest }: Announcement, witnessEpoch: number): readonly RecordKey[] {
  const jobs = manifest.jobs.map((_, index) => jobIdOf(runId, index))
  return [runId, ...jobs].map((register) => ({ register, witnessEpoch }))
}

// Of two announcements of one run one was chosen, and a witness may hold values of both.
function isOf(held: readonly HeldRegister[], { register, witnessEpoch }: RecordKey): boolean {
  return held.some((one) => one.register === register && one.witnessEpoch === witnessEpoch)
}

function nameOf({ register, witnessEpoch }: RecordKey): string {
  return `${register}@${witnessEpoch}`
}

// As it is in memory now: the page may be older.
function isOpen({ state }: WitnessRegister): boolean {
  const value = state.record.accepted?.value
  return value?.phase === 'queued' || value?.phase === 'leased'
}
