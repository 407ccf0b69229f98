import type { WonClaim } from './holder.ts'
import { afterSync, type NodeParts } from './node-parts.ts'

interface LogParts extends NodeParts {
  readonly host: { lines(claimId: string): number }
}

/** Milliseconds between two looks at what the job has written. */
const FOLLOW_MS = 300

/**
 * The log of one attempt, as production's AttemptLog keeps it: each line has its number when it is
 * on the agent's disk, and is shown only then. A later process shows what is there, and goes on
 * behind as many lines of the job's output.
 */
export class SimLog {
  readonly #parts: LogParts
  readonly #won: WonClaim
  readonly #key: string
  /** Lines that have a number. */
  #numbered: number
  /** Lines of the output that were read. */
  #read: number
  #isClosed = false

  constructor(parts: LogParts, won: WonClaim) {
    this.#parts = parts
    this.#won = won
    this.#key = `log/${won.jobId}/${won.epoch}`
    this.#numbered = (parts.disk().read(this.#key) as number | undefined) ?? 0
    this.#read = this.#numbered
  }

  /** Takes lines as they come, from the first one that is not on the disk yet. */
  begin(): void {
    if (this.#numbered > 0) this.#show(1, this.#numbered, 1)
    this.#follow()
  }

  /** The last lines are taken; nothing of the attempt is written after that. */
  close(): void {
    if (!this.#isClosed) this.#take()
    this.#isClosed = true
  }

  #follow(): void {
    if (this.#isClosed) return
    this.#take()
    this.#parts.process.arm(FOLLOW_MS, () => this.#follow())
  }

  #take(): void {
    const { host, disk } = this.#parts
    const written = host.lines(this.#won.claimId)
    if (written <= this.#read) return
    const [first, line] = [this.#numbered + 1, this.#read + 1]
    this.#numbered += written - this.#read
    this.#read = written
    const last = this.#numbered
    afterSync(this.#parts, disk().put(this.#key, last), () => this.#show(first, last, line))
  }

  #show(first: number, last: number, line: number): void {
    const { jobId: job, epoch } = this.#won
    this.#parts.scene.emit({ kind: 'logs', job, epoch, first, last, line })
  }
}
