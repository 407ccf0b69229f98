import type { BoardJob } from '../../protocol/core/board-job.ts'
import { keptRooms } from '../../protocol/core/kept-room.ts'
import type { AgentView } from '../../protocol/core/observation.ts'
import { ROOM_KEPT_AFTER_MS, ROOM_KEPT_LOOK_MS } from '../../protocol/core/placement-limits.ts'
import type { TextDigest } from '../../protocol/core/ports.ts'
import { isQueued, Turns, type TurnsBoard } from '../../protocol/core/turns.ts'

export interface KeeperLook {
  readonly board: TurnsBoard
  /** As `Board.openJobs` gives them. */
  readonly open: readonly BoardJob[]
  readonly agents: readonly AgentView[]
  /** Wall clock of this host. */
  readonly nowMs: number
}

/** Remembers which job this agent keeps its room for: to find out takes a look at all hosts. */
export class RoomKeeper {
  readonly #peerId: string
  readonly #digest: TextDigest
  #jobId: string | undefined
  #lookedAtMs = Number.NEGATIVE_INFINITY

  constructor(peerId: string, digest: TextDigest) {
    this.#peerId = peerId
    this.#digest = digest
  }

  /** Undefined where it keeps room for none. `isResting`: it gave that one back a moment ago. */
  kept(look: KeeperLook, isResting: (jobId: string) => boolean): BoardJob | undefined {
    if (look.nowMs - this.#lookedAtMs >= ROOM_KEPT_LOOK_MS) this.#look(look)
    const job = this.#jobId === undefined ? undefined : look.board.job(this.#jobId)
    return job !== undefined && isQueued(job) && !isResting(job.jobId) ? job : undefined
  }

  #look({ board, open, agents, nowMs }: KeeperLook): void {
    this.#lookedAtMs = nowMs
    this.#jobId = undefined
    const isLate = (job: BoardJob): boolean => nowMs - job.issuedAtMs >= ROOM_KEPT_AFTER_MS
    if (!open.some((job) => isQueued(job) && isLate(job))) return
    const turns = new Turns(open, board, nowMs)
    const waiting = open.filter(
      (job) => isQueued(job) && isLate(job) && turns.holdOf(job) === undefined
    )
    this.#jobId = keptRooms(waiting, agents, nowMs, this.#digest).get(this.#peerId)
  }
}
