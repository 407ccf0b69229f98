import type { JobState } from '../../core/job.ts'
import { landingOf } from '../../core/move.ts'
import { isLost } from '../../core/roster-rules.ts'
import type { RosterView } from '../members/roster-book.ts'
import type { ChangeRef, RegisterClient } from '../registers/register-client.ts'

export interface JobMovesParts {
  readonly client: Pick<RegisterClient, 'change'>
  readonly rosters: RosterView
}

/**
 * Where a stop-sign leads: to a register that has begun; to one of which a quorum says that it is
 * `gone`, for good; or to one that nobody can tell of by now, for want of a quorum or a roster.
 */
export type MoveEnd =
  | { readonly kind: 'landed'; readonly ref: ChangeRef }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unknown' }

const UNKNOWN: MoveEnd = { kind: 'unknown' }

/** Begins the registers that stop-signs lead to. */
export class JobMoves {
  readonly #parts: JobMovesParts

  constructor(parts: JobMovesParts) {
    this.#parts = parts
  }

  /**
   * What `moved`, chosen at `ref`, leads to: whoever comes first begins the new register, with the
   * same bytes. Rejects with the signal's reason, STOPPING or OVERLOADED.
   */
  async land(ref: ChangeRef, moved: JobState, signal?: AbortSignal): Promise<MoveEnd> {
    const landing = landingOf(moved)
    if (moved.moved === undefined || landing === undefined) return UNKNOWN
    const { witnessEpoch } = moved.moved
    if (isLost(this.#parts.rosters.current()?.roster, witnessEpoch)) return UNKNOWN
    const next = { ...ref, witnessEpoch }
    const begun = await this.#parts.client.change(next, undefined, { landing, signal })
    if (begun.kind === 'applied' || begun.kind === 'same') return { kind: 'landed', ref: next }
    // Taken for silence, whoever has the old stop-sign would ask for ever.
    const isGone = begun.kind === 'rejected' && begun.reason === 'gone'
    return isGone ? { kind: 'gone' } : UNKNOWN
  }
}
