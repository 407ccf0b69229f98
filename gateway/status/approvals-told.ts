import { causeOf } from '../../protocol/core/errors.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Inbox } from '../ports.ts'
import { commitOf, eventOf } from '../source-event.ts'
import type { Outbox } from './outbox.ts'
import { type StatusReporter, type UnapprovedRun, WAITING_FOR_APPROVAL } from './status-reporter.ts'

export interface ApprovalsToldParts {
  readonly inbox: Pick<Inbox, 'waiting' | 'get' | 'byRun'>
  readonly outbox: Pick<Outbox, 'goingOn'>
  readonly reporter: Pick<StatusReporter, 'waitingForApproval' | 'approvalOver'>
  readonly log: Log
}

/**
 * Tells forges of runs that wait for a person, which no board has. All that it goes by is in the
 * inbox and the outbox: what ended while this gateway was away is told after its start.
 */
export class ApprovalsTold {
  readonly #parts: ApprovalsToldParts
  #looking: Promise<void> | undefined

  constructor(parts: ApprovalsToldParts) {
    this.#parts = parts
  }

  /** Resolves once all is in the outbox; one look at a time. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => {
        this.#parts.log.warn({ cause: causeOf(error) }, 'approvals not told')
      })
      .finally(() => {
        this.#looking = undefined
      })
    return this.#looking
  }

  async #look(): Promise<void> {
    const { inbox, outbox, reporter } = this.#parts
    const told = outbox.goingOn().filter(({ description }) => description === WAITING_FOR_APPROVAL)
    const known = new Set(told.map(({ runId }) => runId))
    const waiting = new Set<string>()
    for (const { key, runId } of inbox.waiting()) {
      waiting.add(runId)
      if (known.has(runId)) continue
      const delivery = await inbox.get(key)
      if (delivery === undefined) continue
      const event = eventOf(delivery)
      const { repository, receivedAtMs: sinceMs } = delivery
      const what = { event: event.kind, ref: event.ref, commit: commitOf(event) }
      reporter.waitingForApproval({ repository, runId, sinceMs, ...what })
    }
    for (const { repository, runId, event, ref, commit, issuedAtMs } of told) {
      if (waiting.has(runId)) continue
      const run: UnapprovedRun = { repository, runId, event, ref, commit, sinceMs: issuedAtMs }
      const delivery = await inbox.byRun(runId)
      // Approved: what becomes of it, the board says.
      if (delivery?.state === 'received' || delivery?.state === 'recorded') continue
      reporter.approvalOver(run, delivery?.reason ?? 'nobody approved it')
    }
  }
}
