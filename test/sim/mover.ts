import type { BoardJob } from '../../protocol/core/board-job.ts'
import {
  type MoveReason,
  type MoveSight,
  moveReason,
  moverOf
} from '../../protocol/core/move-duty.ts'
import { witnessesOf, witnessRefs } from '../../protocol/core/witnesses.ts'
import type { NodeParts } from './node-parts.ts'
import type { PeerSight } from './sight.ts'

interface MoverParts extends NodeParts {
  readonly sight: PeerSight
}

/** Moves open jobs off witnesses that are none any more, as production's Mover does. */
export class SimMover {
  readonly #parts: MoverParts
  #moving = new Set<string>()

  constructor(parts: MoverParts) {
    this.#parts = parts
    parts.process.onCrash(() => {
      this.#moving = new Set()
      parts.sight.forget()
    })
    parts.process.onStart(() => this.#round())
  }

  #round(): void {
    this.look()
    this.#parts.process.arm(this.#parts.scene.profile.antiEntropyMs, () => this.#round())
  }

  look(): void {
    const { board, rosters, sight, process } = this.#parts
    const { witnessEpoch, members } = rosters.current
    const others = members.map(({ peerId }) => peerId).filter((peer) => peer !== process.peerId)
    sight.note(others, process.nowMs)
    if (witnessEpoch === 1) return
    for (const job of board().openJobs()) {
      if (job.witnessEpoch >= witnessEpoch || this.#moving.has(job.jobId)) continue
      const reason = this.#duty(job)
      if (reason !== undefined) this.#move(job.jobId, witnessEpoch, reason)
    }
  }

  #duty(job: BoardJob): MoveReason | undefined {
    const { rosters, process, scene, sight: links } = this.#parts
    const roster = rosters.current
    const known = rosters.at(job.witnessEpoch)
    if (known === undefined) return
    const sight: MoveSight = {
      me: process.peerId,
      witnesses: witnessesOf(job.runId, known, scene.digest),
      targets: witnessesOf(job.runId, roster, scene.digest),
      seated: witnessRefs(roster),
      holder: job.state?.lease?.holder,
      gateways: roster.members.flatMap(({ peerId, roles }) => {
        return roles.includes('gateway') ? [peerId] : []
      }),
      awayMs: (peer) => (peer === process.peerId ? 0 : links.awayMs(peer, process.nowMs))
    }
    const reason = moveReason(sight)
    if (reason === undefined || moverOf(sight) !== process.peerId) return
    if (sight.holder !== undefined && sight.holder !== process.peerId) {
      scene.count('job: to move in place of its holder')
    }
    return reason
  }

  #move(jobId: string, witnessEpoch: number, reason: MoveReason): void {
    const { jobs, scene, process } = this.#parts
    this.#moving.add(jobId)
    const opId = scene.digest.text(`${jobId}|move|${witnessEpoch}|${process.peerId}`).slice(0, 32)
    const body = { kind: 'move', witnessEpoch, reason } as const
    jobs.change(jobId, opId, body, ({ kind }) => {
      this.#moving.delete(jobId)
      if (kind === 'applied') scene.count(`job: moved, ${reason}`)
      if (kind !== 'unresolved') jobs.hint(jobId)
    })
  }
}
