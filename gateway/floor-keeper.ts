import { causeOf } from '../protocol/core/errors.ts'
import { isRedeliveryOver } from '../protocol/core/floor.ts'
import { FLOOR_READS_MAX, FLOOR_SWEEP_EVERY_MS } from '../protocol/core/limits.ts'
import type { Clock } from '../protocol/core/ports.ts'
import type { Log } from '../protocol/host/log.ts'
import type { AnnouncedRun, RunEnding } from '../protocol/mesh/board/run-ending.ts'
import type { InboxStore } from '../protocol/store/inbox-store.ts'

export interface FloorKeeperParts {
  readonly inbox: Pick<InboxStore, 'openAnnouncements' | 'closeAnnouncements'>
  readonly ending: Pick<RunEnding, 'shown' | 'isClosed'>
  /** True for a witness epoch that was given up: nobody can say any more how a run ended there. */
  isLost(witnessEpoch: number): boolean
  readonly clock: Clock
  readonly log: Log
}

/**
 * Raises this gateway's floor: looks now and then which of its announced runs have ended for good.
 * One that is still open holds it, however many later ones have ended: a witness that dropped by
 * the number of a later run must never be asked to begin an earlier one.
 */
export class FloorKeeper {
  readonly #parts: FloorKeeperParts
  readonly #abort = new AbortController()
  #disarm: () => void = () => undefined
  #running: Promise<void> = Promise.resolve()
  /** Where the reads of the next look begin: behind an open run that nobody ends are others. */
  #readFrom = 0

  constructor(parts: FloorKeeperParts) {
    this.#parts = parts
  }

  start(): void {
    this.#disarm = this.#parts.clock.arm(FLOOR_SWEEP_EVERY_MS, () => {
      this.#running = this.look()
        .then(() => undefined)
        .catch((error: unknown) => this.#failed(error))
        .finally(() => {
          if (!this.#abort.signal.aborted) this.start()
        })
    })
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    this.#disarm()
    await this.#running
  }

  /** Resolves with how many announcements were closed. Rejects with what the store failed with. */
  async look(): Promise<number> {
    const { inbox, clock, log } = this.#parts
    const old = inbox.openAnnouncements().filter(({ issuedAtMs }) => {
      return isRedeliveryOver(issuedAtMs, clock.wallMs())
    })
    const shown = old.map((one) => ({ one, closed: this.#shown(one) }))
    const closed = shown.flatMap(({ one, closed: yes }) => (yes === true ? [one.gwSeq] : []))
    const unknown = shown.flatMap(({ one, closed: yes }) => (yes === undefined ? [one] : []))
    const later = unknown.filter(({ gwSeq }) => gwSeq >= this.#readFrom)
    const asked = (later.length > 0 ? later : unknown).slice(0, FLOOR_READS_MAX)
    for (const one of asked) {
      if (this.#abort.signal.aborted) break
      if (await this.#isClosed(one)) closed.push(one.gwSeq)
    }
    this.#readFrom = (asked.at(-1)?.gwSeq ?? 0) + 1
    if (closed.length === 0) return 0
    const floor = await inbox.closeAnnouncements(closed)
    log.debug({ closed: closed.length, floor }, 'announcements closed')
    return closed.length
  }

  // What begins anew after a loss of its epoch has a number of its own, which is open.
  #shown({ runId, witnessEpoch }: AnnouncedRun): boolean | undefined {
    const { ending } = this.#parts
    return this.#parts.isLost(witnessEpoch) ? true : ending.shown(runId)
  }

  async #isClosed(run: AnnouncedRun): Promise<boolean> {
    try {
      return await this.#parts.ending.isClosed(run, this.#abort.signal)
    } catch (error) {
      // Not known is open: the next look asks again.
      this.#parts.log.debug({ run: run.runId, cause: causeOf(error) }, 'run not asked')
      return false
    }
  }

  #failed(error: unknown): void {
    if (this.#abort.signal.aborted) return
    this.#parts.log.warn({ cause: causeOf(error) }, 'floor not kept')
  }
}
