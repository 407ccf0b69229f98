import { MEMBERS_MAX } from '../../core/limits.ts'
import type { RegisterRequest } from '../../core/messages.ts'
import type { Clock } from '../../core/ports.ts'
import {
  WITNESS_RELAY_WORK_BURST,
  WITNESS_RELAY_WORK_PER_S,
  WITNESS_RENEWAL_WORK_BURST,
  WITNESS_RENEWAL_WORK_PER_S,
  WITNESS_WORK_BURST,
  WITNESS_WORK_PER_S_MAX
} from '../../core/witness-limits.ts'
import { WorkMeter } from '../bounds/work-meter.ts'
import { unitsOf, unitsOfBytes } from './work-units.ts'

/**
 * What each peer may still make a witness do. Each has one purse for all of it, and a small one
 * beside it that pays for renewals alone: jobs must not lose their leases because their holder
 * asked for much else, or owes for what others made it relay.
 */
export class WorkPurses {
  readonly #work: WorkMeter
  readonly #kept: WorkMeter
  /** By gateway, but not its own: nobody can make a gateway pay. */
  readonly #relayed: WorkMeter

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#work = new WorkMeter(clock, {
      unitsPerS: WITNESS_WORK_PER_S_MAX,
      burstUnits: WITNESS_WORK_BURST,
      peersMax: MEMBERS_MAX
    })
    this.#kept = new WorkMeter(clock, {
      unitsPerS: WITNESS_RENEWAL_WORK_PER_S,
      burstUnits: WITNESS_RENEWAL_WORK_BURST,
      peersMax: MEMBERS_MAX
    })
    this.#relayed = new WorkMeter(clock, {
      unitsPerS: WITNESS_RELAY_WORK_PER_S,
      burstUnits: WITNESS_RELAY_WORK_BURST,
      peersMax: MEMBERS_MAX
    })
  }

  /** False, and nothing taken, where the peer asks too much; `bytes` is what the request took. */
  pay(peer: string, request: RegisterRequest, bytes: number): boolean {
    const units = unitsOf(request, bytes)
    if (this.#work.take(peer, units)) return true
    if (request.kind !== 'renew' || !this.#kept.take(peer, units)) return false
    // Lent: without this a peer that only renews would have what both purses earn, for good.
    this.#work.owe(peer, units)
    return true
  }

  /** Takes what a peer has made the witness move already, also from an empty purse. */
  owe(peer: string, bytes: number): void {
    this.#work.owe(peer, unitsOfBytes(bytes))
  }

  /**
   * What a peer has made the witness fetch: owed by the peer, unless it only relays an announcement
   * of `gateway` and that one's are not too many yet.
   */
  fetched(peer: string, bytes: number, gateway: string | undefined): void {
    const isFree =
      gateway !== undefined && gateway !== peer && this.#relayed.take(gateway, unitsOfBytes(bytes))
    if (!isFree) this.owe(peer, bytes)
  }
}
