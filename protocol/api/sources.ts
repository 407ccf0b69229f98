import type { Board } from '../core/board.ts'
import type { Clock } from '../core/ports.ts'
import type { SealedRoster } from '../core/roster.ts'

/** What both programs draw their answers from; all of it is a view, nothing here decides. */
export interface Sources {
  readonly board: Board
  readonly clock: Clock
  /** Undefined before the first roster. */
  roster(): SealedRoster | undefined
}
