import { type AcceptorState, acceptorOf, droppedAcceptor } from '../../core/acceptor.ts'
import { codeOf, MeshError } from '../../core/errors.ts'
import type { AcceptorRecord, RecordKey, WitnessStore, WitnessWrite } from '../../core/ports.ts'
import { Chain, type Linked } from '../bounds/chain.ts'

/** What a save brings that none before it did. */
export type Change = 'promise' | 'accept'

/**
 * One register in memory. `state` changes synchronously; `saved` tells when all of it is synced.
 */
export interface WitnessRegister extends Linked<WitnessRegister> {
  readonly name: string
  readonly key: RecordKey
  state: AcceptorState
  /** The newest save of this register; undefined once nothing of it waits for a sync. */
  saved: Promise<number> | undefined
  /** The newest save that changed what is accepted; undefined once no such waits for a sync. */
  savedAccept: Promise<number> | undefined
  /** Left behind by a save that was refused, not failed: a reply that shows it must save first. */
  unsaved: Change | undefined
  /** What that save would have stored besides. */
  unstored: WitnessWrite['announcement']
  /** Requests that hold it now. */
  users: number
  /** May leave memory. */
  isIdle: boolean
}

/** Saves that one sync brings. */
interface Syncing {
  readonly saved: Promise<number>
  readonly saves: { readonly register: WitnessRegister; readonly write: WitnessWrite }[]
}

interface Loading {
  /** Requests that wait for it: its users, from the instant when it is there. */
  users: number
  readonly done: Promise<WitnessRegister>
}

/**
 * The registers of one witness that are in memory: loaded on demand, one load each. One that is in
 * use, waits for a sync or is leased stays: its promise or its timer exists nowhere else. Others
 * leave, the longest unused first.
 */
export class WitnessRegisters {
  readonly #store: WitnessStore
  readonly #bootMs: () => number
  readonly #startedAtMs: number
  readonly #max: number
  readonly #known = new Map<string, WitnessRegister>()
  readonly #pinned = new Chain<WitnessRegister>()
  readonly #idle = new Chain<WitnessRegister>()
  readonly #loading = new Map<string, Loading>()
  /** The newest one: most saves share theirs with the save before. */
  #syncing: Syncing | undefined

  /** Made at the start of this process: every lease counts as renewed then, by this clock. */
  constructor(store: WitnessStore, bootMs: () => number, max: number) {
    this.#store = store
    this.#bootMs = bootMs
    this.#startedAtMs = bootMs()
    this.#max = max
  }

  get size(): number {
    return this.#known.size + this.#loading.size
  }

  /** Pins the register until `release`. Rejects with OVERLOADED when every place is pinned. */
  take(key: RecordKey): WitnessRegister | Promise<WitnessRegister> {
    const name = nameOf(key)
    const known = this.#known.get(name)
    // No promise on this path: what was decided on the register must not be interleaved.
    if (known === undefined) return this.#load(name, key)
    known.users += 1
    if (known.isIdle) {
      known.isIdle = false
      this.#idle.remove(known)
      this.#pinned.add(known)
    }
    return known
  }

  release(register: WitnessRegister): void {
    register.users -= 1
    this.#settle(register)
  }

  /** Notes a save; the register stays pinned until it is synced. */
  saving(
    register: WitnessRegister,
    saved: Promise<number>,
    write: WitnessWrite,
    change: Change
  ): void {
    register.saved = saved
    // A save holds the whole record: it makes good what a refused one left behind.
    if (change === 'accept' || register.unsaved === 'accept') register.savedAccept = saved
    register.unsaved = undefined
    register.unstored = undefined
    if (this.#syncing?.saved !== saved) this.#syncing = this.#watched(saved)
    this.#syncing.saves.push({ register, write })
  }

  #watched(saved: Promise<number>): Syncing {
    const syncing: Syncing = { saved, saves: [] }
    saved.then(
      () => {
        for (const { register } of syncing.saves) this.#synced(register, saved)
      },
      (error: unknown) => {
        // A failed save keeps its register pinned: what is in memory will never be durable.
        if (codeOf(error) !== 'OVERLOADED') return
        for (const { register, write } of syncing.saves) this.#refused(register, saved, write)
      }
    )
    return syncing
  }

  #synced(register: WitnessRegister, saved: Promise<number>): void {
    if (register.savedAccept === saved) register.savedAccept = undefined
    // A later save of the same register must not be forgotten for an earlier one.
    if (register.saved !== saved) return
    register.saved = undefined
    register.savedAccept = undefined
    this.#settle(register)
  }

  #refused(
    register: WitnessRegister,
    saved: Promise<number>,
    { announcement }: WitnessWrite
  ): void {
    register.unstored ??= announcement
    const change = register.savedAccept === saved ? 'accept' : 'promise'
    const isNewest = register.saved === saved
    // A newer save holds what this one did.
    if (change === 'accept') register.savedAccept = isNewest ? undefined : register.saved
    if (!isNewest) return
    register.saved = undefined
    register.unsaved = change
  }

  /**
   * Forgets what the register holds; `gone` from now on. What of it waits for a sync goes to the
   * disk before the tombstone does.
   */
  drop(register: WitnessRegister): void {
    register.state = droppedAcceptor(this.#startedAtMs)
    register.unsaved = undefined
    register.unstored = undefined
  }

  /** Registers that are leased, among those in memory. */
  *leased(): Generator<WitnessRegister> {
    for (const register of this.#pinned) {
      if (isLeased(register)) yield register
    }
  }

  #load(name: string, key: RecordKey): Promise<WitnessRegister> {
    const running = this.#loading.get(name)
    if (running !== undefined) {
      running.users += 1
      return running.done
    }
    if (this.size >= this.#max && !this.#evict()) {
      return Promise.reject(new MeshError('OVERLOADED', { what: 'the witness', max: this.#max }))
    }
    const loading = { users: 1, done: this.#loadNow(name, key) }
    this.#loading.set(name, loading)
    return loading.done
  }

  async #loadNow(name: string, key: RecordKey): Promise<WitnessRegister> {
    try {
      const record = await this.#store.load(key)
      const dropped = record === undefined && (await this.#store.isDropped(key))
      // Placed before anyone who waits goes on: two copies of one register would promise twice.
      return this.#place(name, key, record, dropped)
    } finally {
      this.#loading.delete(name)
    }
  }

  #place(
    name: string,
    key: RecordKey,
    record: AcceptorRecord | undefined,
    dropped: boolean
  ): WitnessRegister {
    // A stop-sign leaves memory with a lease that may be alive still: what was known is forgotten.
    const isStopSign = record?.accepted?.value.phase === 'moved'
    const state = acceptorOf(record, isStopSign ? this.#bootMs() : this.#startedAtMs, dropped)
    const register: WitnessRegister = {
      name,
      key,
      state,
      saved: undefined,
      savedAccept: undefined,
      unsaved: undefined,
      unstored: undefined,
      users: this.#loading.get(name)?.users ?? 0,
      isIdle: false,
      older: undefined,
      younger: undefined
    }
    this.#known.set(name, register)
    this.#pinned.add(register)
    return register
  }

  /** False where none may leave. */
  #evict(): boolean {
    const { oldest } = this.#idle
    if (oldest === undefined) return false
    this.#idle.remove(oldest)
    return this.#known.delete(oldest.name)
  }

  #settle(register: WitnessRegister): void {
    if (register.users > 0 || register.saved !== undefined || register.isIdle) return
    if (register.unsaved !== undefined || isLeased(register)) return
    register.isIdle = true
    this.#pinned.remove(register)
    this.#idle.add(register)
  }
}

function isLeased(register: WitnessRegister): boolean {
  const value = register.state.record.accepted?.value
  return value?.kind === 'job' && value.phase === 'leased'
}

function nameOf(key: RecordKey): string {
  return `${key.register}@${key.witnessEpoch}`
}
