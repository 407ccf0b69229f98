import type { Board } from '../../core/board.ts'
import {
  ANNOUNCEMENT_CLOCK_MS_MAX,
  REANNOUNCE_BATCH_MAX,
  REANNOUNCE_MS_MAX
} from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import type { SealedAnnouncement } from '../../core/run.ts'
import type { Log } from '../../host/log.ts'
import type { WitnessSets } from '../members/witness-sets.ts'

export interface ReannouncerParts {
  readonly board: Board
  readonly sets: WitnessSets
  readonly clock: Clock
  readonly peerId: string
  readonly linked: () => ReadonlySet<string>
  readonly announce: (sealed: SealedAnnouncement, repeat: number) => Promise<void>
  /** How long a run may be queued before it is said again, milliseconds. */
  readonly firstMs: () => number
  readonly log: Log
}

/** When a run with a queued job is announced again. */
interface Turn {
  readonly atMs: number
  readonly pauseMs: number
  readonly repeat: number
}

/**
 * Says again what nobody has claimed (lease-protocol 4.11): its gateway may be gone, or an agent
 * that fits may have come later. The first witness of the run that lives does it, after half an
 * anti-entropy period, then after twice as long each time, at most REANNOUNCE_BATCH_MAX at a time.
 */
export class Reannouncer {
  readonly #parts: ReannouncerParts
  #turns = new Map<string, Turn>()
  #disarm: (() => void) | undefined
  #sending: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(parts: ReannouncerParts) {
    this.#parts = parts
  }

  start(): void {
    const firstMs = this.#parts.firstMs()
    this.#disarm = this.#parts.clock.arm(firstMs / 2, () => {
      const due = this.#due(firstMs)
      this.#sending = this.#sending.then(() => this.#send(due))
      this.start()
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#disarm?.()
    await this.#sending
  }

  #due(
    firstMs: number
  ): readonly { readonly sealed: SealedAnnouncement; readonly repeat: number }[] {
    const nowMs = this.#parts.clock.bootMs()
    const turns = new Map<string, Turn>()
    const due: { sealed: SealedAnnouncement; repeat: number }[] = []
    for (const sealed of this.#unclaimed()) {
      const { runId } = sealed.announcement
      const turn = this.#turns.get(runId) ?? { atMs: nowMs + firstMs, pauseMs: firstMs, repeat: 0 }
      const isDue = nowMs >= turn.atMs && due.length < REANNOUNCE_BATCH_MAX
      if (!isDue || !this.#isOurs(sealed)) {
        turns.set(runId, turn)
        continue
      }
      const pauseMs = Math.min(turn.pauseMs * 2, REANNOUNCE_MS_MAX)
      const repeat = turn.repeat + 1
      turns.set(runId, { atMs: nowMs + pauseMs, pauseMs, repeat })
      due.push({ sealed, repeat })
    }
    // Claimed and ended runs are forgotten with the old map.
    this.#turns = turns
    return due
  }

  *#unclaimed(): Generator<SealedAnnouncement> {
    const { board, clock } = this.#parts
    const seen = new Set<string>()
    for (const { runId, state } of board.openJobs()) {
      if (seen.has(runId) || (state !== undefined && state.phase !== 'queued')) continue
      seen.add(runId)
      const sealed = board.run(runId)?.sealed
      const endMs = (sealed?.announcement.notAfterMs ?? 0) + ANNOUNCEMENT_CLOCK_MS_MAX
      if (sealed !== undefined && clock.wallMs() <= endMs) yield sealed
    }
  }

  /** True while no witness before us in the run's own order is linked. */
  #isOurs({ announcement }: SealedAnnouncement): boolean {
    const { sets, linked, peerId } = this.#parts
    const witnesses = sets.of(announcement.runId, announcement.witnessEpoch)?.witnesses ?? []
    const peers = linked()
    const first = witnesses.find((ref) => ref.peerId === peerId || peers.has(ref.peerId))
    return first?.peerId === peerId
  }

  async #send(
    due: readonly { readonly sealed: SealedAnnouncement; readonly repeat: number }[]
  ): Promise<void> {
    for (const { sealed, repeat } of due) {
      if (this.#isStopped) return
      try {
        await this.#parts.announce(sealed, repeat)
      } catch (error) {
        // A hint that does not get out is anti-entropy's to make good.
        this.#parts.log.debug({ err: error, run: sealed.announcement.runId }, 'announcing failed')
      }
    }
  }
}
