import type { Board } from '../../core/board.ts'
import { type Consequence, consequencesOf } from '../../core/consequences.ts'
import { causeOf } from '../../core/errors.ts'
import { CONSEQUENCES_EVERY_MS, CONSEQUENCES_PARALLEL_MAX } from '../../core/graph-limits.ts'
import type { Clock, Digest, Random } from '../../core/ports.ts'
import type { Log } from '../../host/log.ts'
import { rolesOf } from '../members/permissions.ts'
import type { RosterView } from '../members/roster-book.ts'
import type { JobAccess } from './job-access.ts'

export interface ConsequencesParts {
  readonly board: Board
  readonly jobs: Pick<JobAccess, 'change'>
  readonly hint: (jobId: string) => Promise<void>
  readonly rosters: RosterView
  readonly clock: Clock
  readonly random: Random
  readonly digest: Digest
  readonly log: Log
  readonly peerId: string
  readonly everyMs: () => number
}

const OP_ID_CHARACTERS = 32

/**
 * Carries out what follows for one job from another: it skips what needs a job that did not
 * succeed, and cancels what a newer run supersedes. The gateway that announced the run does it at
 * once; all other gateways and agents some time later, each at a time of its own, so that nothing
 * waits for one machine, and one of a thousand does it. Two that do it at once do no harm: the
 * register takes one of the ops, and the other finds the job ended.
 */
export class Consequences {
  readonly #parts: ConsequencesParts
  /** By job id: what calls off the wait, or nothing once it is being carried out. */
  readonly #due = new Map<string, () => void>()
  readonly #stop = new AbortController()
  #running = 0
  #unlook: (() => void) | undefined

  constructor(parts: ConsequencesParts) {
    this.#parts = parts
  }

  /** After news of the board. Many at once are one look. */
  consider(): void {
    if (this.#unlook !== undefined || this.#stop.signal.aborted) return
    this.#unlook = this.#parts.clock.arm(CONSEQUENCES_EVERY_MS, () => {
      this.#unlook = undefined
      this.#look()
    })
  }

  stop(): void {
    this.#stop.abort()
    this.#unlook?.()
    for (const disarm of this.#due.values()) disarm()
    this.#due.clear()
  }

  #look(): void {
    if (!this.#mayAct()) return
    for (const one of this.#found()) {
      if (this.#due.has(one.jobId)) continue
      const disarm = this.#parts.clock.arm(this.#waitMs(one), () => this.#begin(one))
      this.#due.set(one.jobId, disarm)
    }
  }

  #found(): readonly Consequence[] {
    const { board } = this.#parts
    return consequencesOf(board.openJobs(), board)
  }

  /** A pure witness may propose neither: it would ask for ever. */
  #mayAct(): boolean {
    const { rosters, peerId } = this.#parts
    const roles = rolesOf(rosters.current()?.roster, peerId)
    return roles.includes('gateway') || roles.includes('agent')
  }

  #waitMs({ runId }: Consequence): number {
    const { board, peerId, random, everyMs } = this.#parts
    const gateway = board.run(runId)?.sealed.announcement.gateway
    return gateway === peerId ? 0 : everyMs() * (1 + random.next())
  }

  #begin(one: Consequence): void {
    const { jobId } = one
    this.#due.delete(jobId)
    // Another may have done it while this one waited.
    if (!this.#found().some((still) => still.jobId === jobId)) return
    if (this.#running >= CONSEQUENCES_PARALLEL_MAX) {
      this.consider()
      return
    }
    this.#running += 1
    this.#due.set(jobId, () => undefined)
    void this.#carryOut(one).finally(() => {
      this.#running -= 1
      this.#due.delete(jobId)
    })
  }

  async #carryOut({ jobId, because, body }: Consequence): Promise<void> {
    const { jobs, hint, digest, log, clock, everyMs } = this.#parts
    const opId = digest.text(`${jobId}|${because}`).slice(0, OP_ID_CHARACTERS)
    const facts = { job: jobId, what: body.kind, reason: body.reason }
    try {
      const { signal } = this.#stop
      const change = await jobs.change(jobId, opId, body, { signal })
      if (change.kind === 'applied') log.info(facts, 'followed from another job')
      if (change.kind !== 'unresolved') return await hint(jobId)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      log.warn({ ...facts, cause: causeOf(error) }, 'not carried out yet')
    }
    // Without a quorum, say: nothing else may happen that would make this one look again.
    clock.arm(everyMs(), () => this.consider())
  }
}
