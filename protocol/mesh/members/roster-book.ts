import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { causeOf, MeshError } from '../../core/errors.ts'
import { ROSTERS_KEPT_MAX } from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import type { Roster, SealedRoster } from '../../core/roster.ts'
import { checkSuccessor, rosterProblem } from '../../core/roster-rules.ts'
import { writeDurable } from '../../host/durable-file.ts'
import { openRoster } from '../../wire/roster-codec.ts'

export interface RosterView {
  current(): SealedRoster | undefined
  /** The highest version known of that witness epoch. */
  at(witnessEpoch: number): Roster | undefined
  /** Called after a newer roster is durable; the returned function ends the listening. */
  onChange(listener: (roster: SealedRoster) => void): () => void
}

const FILE = /^([1-9]\d{0,15})\.roster$/

/** The rosters of one mesh, pinned to its authority, in `DIR/<version>.roster`. */
export class RosterBook implements RosterView {
  readonly authority: string
  readonly #dir: string
  readonly #clock: Clock
  readonly #write: typeof writeDurable
  readonly #byEpoch = new Map<number, SealedRoster>()
  readonly #listeners = new Set<(roster: SealedRoster) => void>()
  #current: SealedRoster | undefined
  /** Writes go one after the other: two at once could make the older one current. */
  #tail: Promise<unknown> = Promise.resolve()

  private constructor(dir: string, authority: string, clock: Clock, write: typeof writeDurable) {
    this.#dir = dir
    this.#clock = clock
    this.#write = write
    this.authority = authority
  }

  /**
   * Reads DIR, which must exist. Throws ROSTER_INVALID with the file where one is not the
   * authority's.
   */
  static async open(
    dir: string,
    authority: string,
    clock: Clock,
    write = writeDurable
  ): Promise<RosterBook> {
    const book = new RosterBook(dir, authority, clock, write)
    for (const name of await readdir(dir)) {
      if (!FILE.test(name)) continue
      // A crash may have come between a new roster and the removal of those it replaced.
      await book.#forget(book.#learn(await readRoster(join(dir, name), authority)))
    }
    return book
  }

  /**
   * Takes a sealed roster if it is the authority's and newer than the current one; durable before
   * it resolves. A replayed older one is `known`. Throws ROSTER_INVALID.
   */
  async offer(bytes: Uint8Array): Promise<'newer' | 'known'> {
    if (this.#isCurrent(bytes)) return 'known'
    const sealed = openRoster(bytes, this.authority)
    return await this.#inTurn(async () => {
      if (!this.#isNewer(sealed)) return 'known'
      await this.#save(sealed)
      this.#tell(sealed)
      return 'newer'
    })
  }

  /**
   * Takes the roster that `make` signs as the successor of the current one; durable before it
   * resolves. Throws ROSTER_INVALID, and what `make` throws.
   */
  async succeed(make: (current: SealedRoster | undefined) => SealedRoster): Promise<SealedRoster> {
    // The current roster is read in the same turn: two makers would else sign one version twice,
    // and whoever has taken the one refuses the other for ever.
    return await this.#inTurn(async () => {
      const sealed = openRoster(make(this.#current).bytes, this.authority)
      if (!this.#isNewer(sealed)) {
        const problem = `version ${sealed.roster.version} is not above the current one`
        throw new MeshError('ROSTER_INVALID', { problem })
      }
      await this.#save(sealed)
      this.#tell(sealed)
      return sealed
    })
  }

  /**
   * Keeps an older roster for its witness epoch, never as the current one. Throws ROSTER_INVALID.
   */
  async remember(bytes: Uint8Array): Promise<void> {
    const sealed = openRoster(bytes, this.authority)
    await this.#inTurn(async () => {
      const { version, witnessEpoch } = sealed.roster
      if (version >= (this.#current?.roster.version ?? 0)) {
        throw new MeshError('ROSTER_INVALID', { problem: `version ${version} is not an old one` })
      }
      checkAlone(sealed.roster, this.authority)
      if (!this.#byEpoch.has(witnessEpoch)) await this.#save(sealed)
    })
  }

  current(): SealedRoster | undefined {
    return this.#current
  }

  at(witnessEpoch: number): Roster | undefined {
    return this.#byEpoch.get(witnessEpoch)?.roster
  }

  /** The same with the bytes that were signed, to hand on. */
  sealedAt(witnessEpoch: number): SealedRoster | undefined {
    return this.#byEpoch.get(witnessEpoch)
  }

  onChange(listener: (roster: SealedRoster) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #isCurrent(bytes: Uint8Array): boolean {
    return this.#current !== undefined && Buffer.compare(this.#current.bytes, bytes) === 0
  }

  /** False for what is no news; throws ROSTER_INVALID for what may not follow. */
  #isNewer(sealed: SealedRoster): boolean {
    const current = this.#current
    const { version } = sealed.roster
    if (current !== undefined && version <= current.roster.version) {
      if (version < current.roster.version || sealed.hash === current.hash) return false
      // Both carry the authority's signature: its key was used twice for one version.
      const problem = `another roster of version ${version} is known: the authority signed two`
      throw new MeshError('ROSTER_INVALID', { problem })
    }
    const hash = current?.hash ?? ''
    const problem =
      checkSuccessor(current?.roster, sealed.roster, this.authority, hash) ??
      (current === undefined ? this.#overProblem(sealed.roster) : undefined)
    if (problem !== undefined) throw new MeshError('ROSTER_INVALID', { problem })
    return true
  }

  /**
   * A first roster whose entries are all over opens no door: a replay, or a clock that is years
   * off.
   */
  #overProblem(roster: Roster): string | undefined {
    const wallMs = this.#clock.wallMs()
    if (roster.members.some(({ notAfterMs }) => notAfterMs > wallMs)) return undefined
    return `all its entries are over by this host's clock (${new Date(wallMs).toISOString()})`
  }

  async #save(sealed: SealedRoster): Promise<void> {
    // Before it counts: after a crash this host must not go back to a roster with a revoked member.
    await this.#write(this.#path(sealed.roster.version), sealed.bytes)
    await this.#forget(this.#learn(sealed))
  }

  async #forget(versions: readonly number[]): Promise<void> {
    for (const version of versions) await rm(this.#path(version), { force: true })
  }

  /** Takes a roster into memory; gives the versions that are no longer needed. */
  #learn(sealed: SealedRoster): readonly number[] {
    const { version, witnessEpoch } = sealed.roster
    const known = this.#byEpoch.get(witnessEpoch)
    if (known !== undefined && known.roster.version >= version) {
      return known.roster.version === version ? [] : [version]
    }
    this.#byEpoch.set(witnessEpoch, sealed)
    if (version > (this.#current?.roster.version ?? 0)) this.#current = sealed
    const replaced = known === undefined ? [] : [known]
    return [...replaced, ...this.#evict()].map(({ roster }) => roster.version)
  }

  /** Takes out the oldest epochs above the maximum; no run stays open for that many changes. */
  #evict(): readonly SealedRoster[] {
    const epochs = [...this.#byEpoch.keys()].sort((a, b) => a - b)
    const excess = epochs.slice(0, Math.max(0, epochs.length - ROSTERS_KEPT_MAX))
    return excess.flatMap((epoch) => {
      const sealed = this.#byEpoch.get(epoch)
      this.#byEpoch.delete(epoch)
      return sealed ?? []
    })
  }

  /** Every listener hears of it, also after one has thrown: one of them closes the door. */
  #tell(sealed: SealedRoster): void {
    const errors: unknown[] = []
    for (const listener of [...this.#listeners]) {
      try {
        listener(sealed)
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(task)
    this.#tail = turn.catch(() => undefined)
    return turn
  }

  #path(version: number): string {
    return join(this.#dir, `${version}.roster`)
  }
}

async function readRoster(path: string, authority: string): Promise<SealedRoster> {
  try {
    const sealed = openRoster(await readFile(path), authority)
    checkAlone(sealed.roster, authority)
    return sealed
  } catch (error) {
    // Never skipped: without its newest roster this host would trust members that were revoked.
    const cause = error instanceof MeshError ? error.facts['problem'] : causeOf(error)
    const problem = `${path}: ${cause}; move the file away to get it from a member again`
    throw new MeshError('ROSTER_INVALID', { problem }, { cause: error })
  }
}

/** What holds of a roster without the one before it. Throws ROSTER_INVALID. */
function checkAlone(roster: Roster, authority: string): void {
  const problem = roster.authority === authority ? rosterProblem(roster) : 'another authority'
  if (problem !== undefined) throw new MeshError('ROSTER_INVALID', { problem })
}
