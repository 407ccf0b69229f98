import { type AcceptorState, acceptorOf, droppedAcceptor } from '../core/acceptor.ts'
import { codeOf, MeshError } from '../core/errors.ts'
import type { RecordKey, WitnessStore, WitnessWrite } from '../core/ports.ts'
import { Lru } from './lru.ts'

/** What a save brings that none before it did. */
export type Change = 'promise' | 'accept'

/**
 * One register in memory. `state` changes synchronously; `saved` tells when all of it is synced.
 */
export interface WitnessRegister {
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
  readonly #pinned = new Map<string, WitnessRegister>()
  readonly #idle: Lru<string, WitnessRegister>
  readonly #loading = new Map<string, Promise<WitnessRegister>>()

  /** Made at the start of this process: every lease counts as renewed then, by this clock. */
  constructor(store: WitnessStore, bootMs: () => number, max: number) {
    this.#store = store
    this.#bootMs = bootMs
    this.#startedAtMs = bootMs()
    this.#max = max
    this.#idle = new Lru(max)
  }

  get size(): number {
    return this.#pinned.size + this.#idle.size + this.#loading.size
  }

  /** Pins the register until `release`. Rejects with OVERLOADED when every place is pinned. */
  async take(key: RecordKey): Promise<WitnessRegister> {
    const name = nameOf(key)
    const known = this.#pinned.get(name) ?? this.#idle.get(name)
    // No await on this path: what was decided on the register must not be interleaved.
    const register = known ?? (await this.#load(name, key))
    register.users += 1
    this.#idle.delete(name)
    this.#pinned.set(name, register)
    return register
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
    const done = () => {
      if (register.savedAccept === saved) register.savedAccept = undefined
      // A later save of the same register must not be forgotten for an earlier one.
      if (register.saved !== saved) return
      register.saved = undefined
      register.savedAccept = undefined
      this.#settle(register)
    }
    saved.then(done, (error: unknown) => this.#refused(register, saved, write, error))
  }

  #refused(
    register: WitnessRegister,
    saved: Promise<number>,
    { announcement }: WitnessWrite,
    error: unknown
  ): void {
    // A failed save keeps its register pinned: what is in memory will never be durable.
    if (codeOf(error) !== 'OVERLOADED') return
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
    for (const register of this.#pinned.values()) {
      if (isLeased(register)) yield register
    }
  }

  #load(name: string, key: RecordKey): Promise<WitnessRegister> {
    const running = this.#loading.get(name)
    if (running !== undefined) return running
    if (this.size >= this.#max && this.#idle.evict() === undefined) {
      return Promise.reject(new MeshError('OVERLOADED', { what: 'the witness', max: this.#max }))
    }
    const loading = this.#loadNow(name, key).finally(() => this.#loading.delete(name))
    this.#loading.set(name, loading)
    return loading
  }

  async #loadNow(name: string, key: RecordKey): Promise<WitnessRegister> {
    const record = await this.#store.load(key)
    const dropped = record === undefined && (await this.#store.isDropped(key))
    // A stop-sign leaves memory with a lease that may be alive still: what was known is forgotten.
    const isStopSign = record?.accepted?.value.phase === 'moved'
    const state = acceptorOf(record, isStopSign ? this.#bootMs() : this.#startedAtMs, dropped)
    const register: WitnessRegister = {
      key,
      state,
      saved: undefined,
      savedAccept: undefined,
      unsaved: undefined,
      unstored: undefined,
      users: 0
    }
    // Placed before anyone who waits goes on: two copies of one register would promise twice.
    this.#pinned.set(name, register)
    return register
  }

  #settle(register: WitnessRegister): void {
    if (register.users > 0 || register.saved !== undefined) return
    if (register.unsaved !== undefined || isLeased(register)) return
    const name = nameOf(register.key)
    this.#pinned.delete(name)
    this.#idle.set(name, register)
  }
}

function isLeased(register: WitnessRegister): boolean {
  const value = register.state.record.accepted?.value
  return value?.kind === 'job' && value.phase === 'leased'
}

function nameOf(key: RecordKey): string {
  return `${key.register}@${key.witnessEpoch}`
}
