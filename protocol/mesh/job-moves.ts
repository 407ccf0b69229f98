import type { JobState } from '../core/job.ts'
import { landingOf } from '../core/move.ts'
import { isLost } from '../core/roster-rules.ts'
import type { ChangeRef, RegisterClient } from './register-client.ts'
import type { RosterView } from './roster-book.ts'

export interface JobMovesParts {
  readonly client: Pick<RegisterClient, 'change'>
  readonly rosters: RosterView
}

/** Begins the registers that stop-signs lead to. */
export class JobMoves {
  readonly #parts: JobMovesParts

  constructor(parts: JobMovesParts) {
    this.#parts = parts
  }

  /**
   * The register that `moved`, chosen at `ref`, leads to, once it has begun: whoever comes first
   * begins it with the same bytes. Undefined where no quorum of it answers yet, or its roster is
   * not known here. Rejects with the signal's reason, STOPPING or OVERLOADED.
   */
  async land(
    ref: ChangeRef,
    moved: JobState,
    signal?: AbortSignal
  ): Promise<ChangeRef | undefined> {
    const landing = landingOf(moved)
    if (moved.moved === undefined || landing === undefined) return undefined
    const { witnessEpoch } = moved.moved
    if (isLost(this.#parts.rosters.current()?.roster, witnessEpoch)) return undefined
    const next = { ...ref, witnessEpoch }
    const begun = await this.#parts.client.change(next, undefined, { landing, signal })
    return begun.kind === 'applied' || begun.kind === 'same' ? next : undefined
  }
}
