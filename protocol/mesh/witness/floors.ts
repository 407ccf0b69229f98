import { codeOf } from '../../core/errors.ts'
import { floorIn } from '../../core/floor.ts'
import { MEMBERS_MAX } from '../../core/limits.ts'
import type { WitnessStore } from '../../core/ports.ts'
import type { Announcement } from '../../core/run.ts'
import type { Log } from '../../host/log.ts'
import type { Background } from '../bounds/background.ts'
import { rolesOf } from '../members/permissions.ts'
import type { RosterView } from '../members/roster-book.ts'

export interface FloorsParts {
  readonly store: Pick<WitnessStore, 'floors' | 'raiseFloor'>
  readonly rosters: RosterView
  readonly background: Pick<Background, 'run'>
  readonly log: Log
}

/**
 * What each gateway says of its own runs: all up to here are closed (lease-protocol 4.12.5). Heard
 * with its announcements, whose signature was checked; counts once it is on the disk, so that
 * nothing is dropped by a word that a crash takes back.
 */
export class Floors {
  readonly #parts: FloorsParts
  /** As synced. */
  readonly #floors = new Map<string, number>()
  /** Highest ones heard, on their way to the disk. */
  readonly #heard = new Map<string, number>()

  constructor(parts: FloorsParts) {
    this.#parts = parts
  }

  /** Rejects with STORE_FAILED or STORE_SUSPECT. */
  async start(): Promise<void> {
    for (const [gateway, floor] of await this.#parts.store.floors()) this.#learn(gateway, floor)
  }

  /** 0 for a gateway that has said nothing. */
  of(gateway: string): number {
    return this.#floors.get(gateway) ?? 0
  }

  /** For an announcement that was opened: signed by the gateway that it names. */
  hear(announcement: Announcement): void {
    const { gateway } = announcement
    const floor = floorIn(announcement)
    if (floor <= Math.max(this.of(gateway), this.#heard.get(gateway) ?? 0)) return
    if (!this.#hasRoom(gateway) || !this.#isGateway(gateway)) return
    this.#heard.set(gateway, floor)
    const runs = this.#parts.background.run('floor', () => this.#raise(gateway, floor))
    if (!runs) this.#heard.delete(gateway)
  }

  async #raise(gateway: string, floor: number): Promise<void> {
    try {
      await this.#parts.store.raiseFloor(gateway, floor)
      this.#learn(gateway, floor)
      this.#parts.log.debug({ gateway, floor }, 'floor raised')
    } catch (error) {
      // Its next announcement says it again.
      if (codeOf(error) === undefined) throw error
    } finally {
      if (this.#heard.get(gateway) === floor) this.#heard.delete(gateway)
    }
  }

  #learn(gateway: string, floor: number): void {
    this.#floors.set(gateway, Math.max(floor, this.of(gateway)))
  }

  // Whoever was a gateway once may come back with old announcements: no row is ever removed.
  #hasRoom(gateway: string): boolean {
    return this.#floors.has(gateway) || this.#floors.size + this.#heard.size < MEMBERS_MAX
  }

  #isGateway(peerId: string): boolean {
    const roster = this.#parts.rosters.current()?.roster
    return rolesOf(roster, peerId).includes('gateway')
  }
}
