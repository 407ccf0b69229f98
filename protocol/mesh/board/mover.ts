import type { Board } from '../../core/board.ts'
import type { BoardJob } from '../../core/board-job.ts'
import type { JobOpBody } from '../../core/job.ts'
import { type MoveReason, type MoveSight, moveReason, moverOf } from '../../core/move-duty.ts'
import type { Clock, Digest } from '../../core/ports.ts'
import type { Roster } from '../../core/roster.ts'
import { MOVES_PARALLEL_MAX } from '../../core/roster-limits.ts'
import { isLost } from '../../core/roster-rules.ts'
import { witnessRefs } from '../../core/witnesses.ts'
import type { Log } from '../../host/log.ts'
import type { Background } from '../bounds/background.ts'
import type { RosterView } from '../members/roster-book.ts'
import type { WitnessSets } from '../members/witness-sets.ts'
import type { JobAccess } from './job-access.ts'

export interface MoverParts {
  readonly board: Board
  readonly sets: WitnessSets
  readonly rosters: RosterView
  readonly jobs: Pick<JobAccess, 'change'>
  readonly background: Pick<Background, 'run'>
  readonly clock: Clock
  readonly digest: Digest
  readonly peerId: string
  readonly linked: () => ReadonlySet<string>
  /** How often it looks, milliseconds. */
  readonly everyMs: () => number
  /** Tells the others where the job is now. */
  readonly hint: (jobId: string) => Promise<void>
  readonly log: Log
}

/**
 * Moves open jobs off witnesses that are gone, while a majority of theirs lives (lease-protocol
 * 4.9): each by its holder, or by whoever comes first in an order that all know.
 */
export class Mover {
  readonly #parts: MoverParts
  /** Boot clock at which a peer was first found away; those that are linked are not in it. */
  readonly #away = new Map<string, number>()
  readonly #moving = new Set<string>()
  #disarm: (() => void) | undefined
  #unsubscribe: (() => void) | undefined

  constructor(parts: MoverParts) {
    this.#parts = parts
  }

  start(): void {
    this.#unsubscribe = this.#parts.rosters.onChange(() => this.#look())
    this.#arm()
  }

  stop(): void {
    this.#unsubscribe?.()
    this.#disarm?.()
    this.#disarm = undefined
  }

  #arm(): void {
    this.#disarm = this.#parts.clock.arm(this.#parts.everyMs(), () => {
      this.#arm()
      this.#look()
    })
  }

  #look(): void {
    const { board, rosters } = this.#parts
    const roster = rosters.current()?.roster
    if (roster === undefined) return
    const here = this.#noteAway(roster)
    for (const job of board.openJobs()) {
      if (this.#moving.size >= MOVES_PARALLEL_MAX) return
      if (job.witnessEpoch >= roster.witnessEpoch || this.#moving.has(job.jobId)) continue
      const reason = this.#duty(job, roster, here)
      if (reason !== undefined) this.#begin(job.jobId, roster.witnessEpoch, reason)
    }
  }

  /** Gives the peers that a connection exists to. */
  #noteAway({ members }: Roster): ReadonlySet<string> {
    const { linked, clock, peerId } = this.#parts
    const here = linked()
    for (const { peerId: peer } of members) {
      if (peer === peerId || here.has(peer)) this.#away.delete(peer)
      else if (!this.#away.has(peer)) this.#away.set(peer, clock.bootMs())
    }
    const known = new Set(members.map((member) => member.peerId))
    for (const peer of this.#away.keys()) if (!known.has(peer)) this.#away.delete(peer)
    return here
  }

  /** Why this member has to move the job; undefined where it has not. */
  #duty(job: BoardJob, roster: Roster, here: ReadonlySet<string>): MoveReason | undefined {
    const { sets, board, peerId, clock } = this.#parts
    const announced = board.run(job.runId)?.sealed.announcement.witnessEpoch
    // Nobody keeps what was given up: its run begins anew.
    if (isLost(roster, job.witnessEpoch) || isLost(roster, announced ?? 0)) return
    const witnesses = sets.of(job.jobId, job.witnessEpoch)?.witnesses
    const targets = sets.of(job.jobId, roster.witnessEpoch)?.witnesses
    if (witnesses === undefined || targets === undefined) return
    const sight: MoveSight = {
      me: peerId,
      witnesses,
      targets,
      seated: witnessRefs(roster),
      holder: job.state?.lease?.holder,
      gateways: roster.members.flatMap(({ peerId: peer, roles }) => {
        return roles.includes('gateway') ? [peer] : []
      }),
      // Of a stranger no connection is kept: it is away since ever.
      awayMs: (peer) => {
        if (peer === peerId || here.has(peer)) return 0
        const sinceMs = this.#away.get(peer)
        return sinceMs === undefined ? Number.POSITIVE_INFINITY : 1 + clock.bootMs() - sinceMs
      }
    }
    const reason = moveReason(sight)
    return reason !== undefined && moverOf(sight) === peerId ? reason : undefined
  }

  #begin(jobId: string, witnessEpoch: number, reason: MoveReason): void {
    this.#moving.add(jobId)
    const isRunning = this.#parts.background.run('move', async () => {
      try {
        await this.#move(jobId, { kind: 'move', witnessEpoch, reason })
      } finally {
        this.#moving.delete(jobId)
      }
    })
    if (!isRunning) this.#moving.delete(jobId)
  }

  async #move(jobId: string, body: Extract<JobOpBody, { readonly kind: 'move' }>): Promise<void> {
    const { jobs, digest, hint, log, peerId } = this.#parts
    const { witnessEpoch, reason } = body
    // The same for each try of this member, one that a restart has cut off included.
    const opId = digest.text(`${jobId}|move|${witnessEpoch}|${peerId}`).slice(0, OP_ID_CHARACTERS)
    const change = await jobs.change(jobId, opId, body)
    const facts = { job: jobId, witnessEpoch, reason, answer: change.kind }
    if (change.kind === 'unresolved') {
      log.debug(facts, 'job not moved yet')
      return
    }
    log.info(facts, 'job moved')
    await hint(jobId)
  }
}

const OP_ID_CHARACTERS = 32
