import type { Board } from '../../protocol/core/board.ts'
import { causeOf, codeOf } from '../../protocol/core/errors.ts'
import { STATUS_LOOK_EVERY_MS, STATUS_STANDIN_MS } from '../../protocol/core/forge-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { SealedAnnouncement } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Repository } from '../repositories.ts'
import { isSameRepository } from '../source-event.ts'
import type { Outbox } from './outbox.ts'
import { described, runContextOf, runTold } from './run-told.ts'
import { channelOf } from './status-sender.ts'
import type { Told } from './told.ts'

export interface StatusReporterParts {
  readonly board: Pick<Board, 'run' | 'runs' | 'jobsOf'>
  readonly outbox: Pick<Outbox, 'tell'>
  readonly repositories: { find(name: string): Repository | undefined }
  /** Peer id of this gateway. */
  readonly self: string
  /** Peers that are members and linked to this gateway now. */
  readonly linked: () => ReadonlySet<string>
  readonly clock: Clock
  readonly log: Log
}

export interface StatusReporterOptions {
  readonly publicUrl: string | undefined
}

/** How such a run is described; what is told of it later says something else. */
export const WAITING_FOR_APPROVAL = 'waiting for approval'

/** A run that waits for a person: it is not announced, so no board has it. */
export interface UnapprovedRun {
  readonly repository: string
  readonly runId: string
  readonly event: string
  readonly ref: string
  readonly commit: string
  /** Wall clock since when; earlier than any announcement of it. */
  readonly sinceMs: number
}

/**
 * From the board to the outbox: what this gateway has announced, and what others have whose
 * gateway has been away for STATUS_STANDIN_MS.
 */
export class StatusReporter {
  readonly #parts: StatusReporterParts
  readonly #publicUrl: string | undefined
  /** Runs of which something could not be kept. */
  readonly #missed = new Set<string>()
  /** Announcing gateways that are away for so long that this one tells their runs. */
  #away: ReadonlySet<string> = new Set()
  /** Boot clock at which an announcing gateway was last seen. */
  readonly #seen = new Map<string, number>()
  #startedMs = 0
  #disarm: () => void = () => undefined

  constructor(parts: StatusReporterParts, options: StatusReporterOptions) {
    this.#parts = parts
    this.#publicUrl = options.publicUrl
  }

  /** Compares all that the board has with what was told. */
  start(): void {
    const { board, clock } = this.#parts
    this.#startedMs = clock.bootMs()
    for (const { sealed } of board.runs()) this.#report(sealed)
    this.#look()
  }

  stop(): void {
    this.#disarm()
  }

  /** Something of the run is new on the board. */
  note(runId: string): void {
    const run = this.#parts.board.run(runId)
    if (run !== undefined) this.#report(run.sealed)
  }

  /** `pending`, "waiting for approval", until the run is announced or `approvalOver`. */
  waitingForApproval(run: UnapprovedRun): void {
    this.#tellUnapproved(run, { state: 'queued', isFinal: false, version: 0 }, WAITING_FOR_APPROVAL)
  }

  /** It will not be run: nobody approved it, or a later commit took its place. */
  approvalOver(run: UnapprovedRun, why: string): void {
    const description = described(why)
    this.#tellUnapproved(run, { state: 'cancelled', isFinal: true, version: 1 }, description)
  }

  #tellUnapproved(
    { repository: name, runId, event, ref, commit, sinceMs }: UnapprovedRun,
    state: Pick<Told, 'state' | 'isFinal' | 'version'>,
    description: string
  ): void {
    const repository = this.#parts.repositories.find(name)
    const channel = repository === undefined ? undefined : channelOf(repository)
    if (channel === undefined) return
    const page = this.#publicUrl === undefined ? undefined : `${this.#publicUrl}/runs/${runId}`
    const where = { repository: name, channel, runId, event, ref, commit, issuedAtMs: sinceMs }
    const what = { jobIndex: undefined, context: runContextOf(event), name: '', targetUrl: page }
    this.#tell([{ ...where, ...what, ...state, description }])
  }

  #look(): void {
    const { board, clock } = this.#parts
    this.#noteGateways()
    for (const runId of this.#missed) {
      this.#missed.delete(runId)
      this.note(runId)
    }
    const away = new Set<string>()
    for (const { sealed } of board.runs()) {
      const { gateway } = sealed.announcement
      if (gateway === this.#parts.self || !this.#isOurs(gateway)) continue
      away.add(gateway)
      // Once: from then on what changes is told as it comes.
      if (!this.#away.has(gateway)) this.#report(sealed)
    }
    this.#away = away
    this.#disarm = clock.arm(STATUS_LOOK_EVERY_MS, () => this.#look())
  }

  #noteGateways(): void {
    const { clock, linked } = this.#parts
    const nowMs = clock.bootMs()
    for (const peer of linked()) this.#seen.set(peer, nowMs)
    // As many as there ever were members at once, and those that are away for long are all alike.
    for (const [peer, seenMs] of this.#seen) {
      if (nowMs - seenMs > STATUS_STANDIN_MS) this.#seen.delete(peer)
    }
  }

  #report({ announcement }: SealedAnnouncement): void {
    const { board, repositories } = this.#parts
    const { runId, gateway, manifest } = announcement
    const repository = repositories.find(manifest.repository)
    if (repository === undefined || !this.#isOurs(gateway)) return
    // Of its own jobs the forge writes the states itself.
    if (manifest.origin.event === 'workflow_job') return
    // Another repository may have that name by now.
    if (!isSameRepository(repository.url, manifest.url)) return
    const channel = channelOf(repository)
    if (channel === undefined) return
    const options = { channel, publicUrl: this.#publicUrl }
    this.#tell(runTold(announcement, board.jobsOf(runId), options))
  }

  #isOurs(gateway: string): boolean {
    const { self, clock, linked } = this.#parts
    if (gateway === self) return true
    if (linked().has(gateway)) return false
    const sinceMs = this.#seen.get(gateway) ?? this.#startedMs
    return clock.bootMs() - sinceMs >= STATUS_STANDIN_MS
  }

  #tell(all: readonly Told[]): void {
    for (const told of all) {
      this.#parts.outbox.tell(told).catch((error: unknown) => {
        // The next look brings it again.
        this.#missed.add(told.runId)
        const facts = { run: told.runId, code: codeOf(error), cause: causeOf(error) }
        this.#parts.log.warn(facts, 'status not kept')
      })
    }
  }
}
