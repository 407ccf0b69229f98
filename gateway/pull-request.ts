import { causeOf, MeshError } from '../protocol/core/errors.ts'
import { APPROVALS_WAITING_MAX, REPOSITORY_APPROVALS_MAX } from '../protocol/core/intake-limits.ts'
import type { Delivery, DeliverySummary } from '../protocol/store/inbox-store.ts'
import type { DeclaredRepository, ForgeFacts, Inbox, PullRequestFacts } from './ports.ts'
import { pullRequestSource, type RunSource } from './run-source.ts'
import type { PullRequestEvent } from './source-event.ts'

/** How a delivery ends that is not announced, or not now. */
export type Ended = { readonly kind: 'ended' } & Pick<Delivery, 'state' | 'reason' | 'reopenable'>

export interface PullRequestParts {
  readonly inbox: Inbox
  readonly facts: ForgeFacts
}

/** A pull request as a delivery names it. */
export interface Named {
  readonly delivery: Delivery
  readonly event: PullRequestEvent
  readonly repository: DeclaredRepository
}

export interface AskOptions {
  readonly signal: AbortSignal
  /** True once it has been asked for long enough. */
  readonly lastTry: boolean
}

/**
 * What the run of a pull request is made from, asked of its forge now; or how the delivery ends.
 * Rejects with PULL_REQUEST_BEHIND, and as ForgeFacts does: until the last try.
 */
export async function askedSource(
  parts: PullRequestParts,
  named: Named,
  options: AskOptions
): Promise<RunSource | Ended> {
  const { event, repository } = named
  const { signal, lastTry } = options
  let facts: PullRequestFacts
  try {
    facts = await parts.facts.pullRequest(repository, event.number, signal)
  } catch (error) {
    if (!lastTry || signal.aborted) throw error
    // Never a guess: who wrote it and where it comes from decides what its run may do.
    return { kind: 'ended', state: 'errored', reason: causeOf(error), reopenable: true }
  }
  const others = parts.inbox
    .ofSubject(named.delivery.subject ?? '')
    .filter(({ key }) => key !== named.delivery.key)
  const end = endOf(named, facts, others) ?? (await twinOf(parts.inbox, named, others))
  if (end !== undefined) return ended(end)
  if (facts.headCommit !== event.head) {
    const { number, head: commit } = event
    const moved = { number, repository: repository.name, head: facts.headCommit, commit }
    // A forge's answers may lag behind its own deliveries.
    if (!lastTry) throw new MeshError('PULL_REQUEST_BEHIND', moved)
    return ended(superseded(event.number, facts.headCommit))
  }
  for (const other of others) {
    if (other.state !== 'waiting' || other.runId === named.delivery.runId) continue
    const reason = superseded(event.number, facts.headCommit)
    const change = { state: 'ignored', reason, reopenable: true, approvedBy: '' } as const
    await parts.inbox.update(other.key, change)
  }
  return pullRequestSource(event, repository, facts)
}

/**
 * How a delivery that needs an approval ends without one; undefined where it has one, and is still
 * what was approved: it is asked again, since a commit was read meanwhile. Rejects as askedSource.
 */
export async function heldBack(
  parts: PullRequestParts,
  named: Named,
  source: RunSource,
  options: AskOptions
): Promise<Ended | undefined> {
  const { delivery, event } = named
  const { approvedBy = '' } = (await parts.inbox.get(delivery.key)) ?? {}
  if (approvedBy === '') return waiting(parts.inbox, named, source)
  const again = await askedSource(parts, named, options)
  if ('kind' in again) return again
  if (again.base === source.base && again.fork === source.fork) return undefined
  const reason = `pull request ${event.number} goes to ${again.base} now, and not to ${source.base}`
  return ended(`${reason}: what was approved is void`)
}

function waiting(inbox: Inbox, { delivery, event }: Named, source: RunSource): Ended {
  const all = inbox.waiting()
  const here = all.filter(({ repository }) => repository === delivery.repository)
  const isFull = all.length >= APPROVALS_WAITING_MAX || here.length >= REPOSITORY_APPROVALS_MAX
  if (isFull) {
    return ended(
      `${here.length} pull requests of ${delivery.repository}, ${all.length} in all, wait for an approval already: approve or close some, then let the ` +
        'forge send this delivery again'
    )
  }
  const { number } = event
  const author = source.event.author === '' ? 'an author without a name' : source.event.author
  const reason = `pull request ${number} of ${author}, from a fork, waits for an approval`
  return { kind: 'ended', state: 'waiting', reason, reopenable: false }
}

/** Why nothing is to be announced; undefined where nothing speaks against it but its head. */
function endOf(
  { delivery, event, repository }: Named,
  facts: PullRequestFacts,
  others: readonly DeliverySummary[]
): string | undefined {
  const { number } = event
  if (!facts.isOpen) return `pull request ${number} is closed`
  const isMoved = facts.headCommit !== event.head
  // Another head has been heard of since: that is why the forge says so.
  const isFollowed = others.some(
    ({ runId, receivedAtMs }) => runId !== delivery.runId && receivedAtMs >= delivery.receivedAtMs
  )
  if (isMoved && isFollowed) return superseded(number, facts.headCommit)
  if (!repository.selects(facts.baseBranch)) {
    return `branch ${facts.baseBranch} is not selected in gateway.yaml`
  }
  return undefined
}

/** Why another delivery of the same run is the one that counts; undefined where none does. */
async function twinOf(
  inbox: Inbox,
  { delivery }: Named,
  others: readonly DeliverySummary[]
): Promise<string | undefined> {
  for (const { key, runId, state, reopenable, deliveryId } of others) {
    if (runId !== delivery.runId || reopenable) continue
    const isDecided = state !== 'received' || (await inbox.get(key))?.sealed !== undefined
    if (isDecided) return `its run is that of delivery ${deliveryId}`
  }
  return undefined
}

function superseded(number: number, head: string): string {
  return `superseded: pull request ${number} is at ${head} now, whose own delivery runs it`
}

/** Looked at anew when any of its deliveries comes again, for the forge may say otherwise then. */
function ended(reason: string): Ended {
  return { kind: 'ended', state: 'ignored', reason, reopenable: true }
}
