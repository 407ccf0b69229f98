import { MeshError } from '../protocol/core/errors.ts'
import type { Log } from '../protocol/host/log.ts'
import type { DeliverySummary } from '../protocol/store/inbox-store.ts'
import type { Intake } from './intake.ts'
import type { Inbox } from './ports.ts'

export interface ApprovalsParts {
  readonly inbox: Pick<Inbox, 'waiting' | 'byRun' | 'update'>
  readonly intake: Pick<Intake, 'approved'>
  /** Told that a run waits no more, and is not announced either. */
  readonly onEnded: () => void
  readonly log: Log
}

/** A run that waits for an approval. */
export type WaitingRun = Pick<
  DeliverySummary,
  'key' | 'runId' | 'repository' | 'reason' | 'receivedAtMs' | 'deliveryId'
>

/** Runs of strangers that wait for a person's word. It is of one head: a run's id names its commit. */
export class Approvals {
  readonly #parts: ApprovalsParts

  constructor(parts: ApprovalsParts) {
    this.#parts = parts
  }

  /** Oldest first. */
  waiting(): readonly WaitingRun[] {
    return this.#parts.inbox.waiting()
  }

  /**
   * Resolves once the approval is synced; the forge is asked once more before anything of the run
   * is announced. `by` is who approves, one line. Rejects with RUN_UNKNOWN, APPROVAL_GIVEN,
   * APPROVAL_NOT_WAITED (superseded and closed ones among them), APPROVAL_EARLY, STORE_FAILED.
   */
  async approve(runId: string, by: string): Promise<void> {
    const { inbox, intake, log } = this.#parts
    // No wait between this look and the change: of two that approve, one is told of the other.
    const found = inbox.waiting().find((each) => each.runId === runId)
    if (found === undefined) throw await this.#refusal(runId)
    await intake.approved(found.key, by)
    log.info({ run: runId, by }, 'run approved')
  }

  /**
   * The run is not to be, at this head: a later push waits anew. `by` and `why` are one line each.
   * Rejects as approve does.
   */
  async reject(runId: string, by: string, why: string): Promise<void> {
    const { inbox, log, onEnded } = this.#parts
    const found = inbox.waiting().find((each) => each.runId === runId)
    if (found === undefined) throw await this.#refusal(runId)
    const reason = `rejected by ${by}${why === '' ? '' : `: ${why}`}`
    await inbox.update(found.key, { state: 'ignored', reason, reopenable: false, approvedBy: '' })
    log.info({ run: runId, by, why }, 'run rejected')
    onEnded()
  }

  /** The mesh has the run: another gateway has announced it. */
  async recorded(runId: string): Promise<void> {
    const { inbox, log } = this.#parts
    for (const { key, runId: run } of inbox.waiting()) {
      if (run !== runId) continue
      const reason = 'announced by another gateway'
      await inbox.update(key, { state: 'recorded', reason })
      log.info({ run, reason }, 'approval not needed any more')
    }
  }

  async #refusal(id: string): Promise<MeshError> {
    const delivery = await this.#parts.inbox.byRun(id)
    if (delivery === undefined) return new MeshError('RUN_UNKNOWN', { id })
    const { approvedBy: by = '', state, reason } = delivery
    if (by !== '') return new MeshError('APPROVAL_GIVEN', { id, by })
    if (state === 'received') return new MeshError('APPROVAL_EARLY', { id })
    return new MeshError('APPROVAL_NOT_WAITED', { id, state, reason })
  }
}
