import { causeOf, MeshError } from '../protocol/core/errors.ts'
import { APPROVALS_WAITING_MAX, REPOSITORY_APPROVALS_MAX } from '../protocol/core/intake-limits.ts'
import type { Delivery, DeliverySummary } from '../protocol/store/inbox-store.ts'
import type { DeclaredRepository, ForgeFacts, Inbox, PullRequestFacts } from './ports.ts'
import { pullRequestSource, type RunSource } from './run-source.ts'
import { commitOf, eventOf, type PullRequestEvent } from './source-event.ts'

/** How a delivery ends that is not announced, or not now. */
export type Ended = { readonly kind: 'ended' } & Pick<Delivery, 'state' | 'reason' | 'reopenable'> &
  Partial<Pick<Delivery, 'base' | 'approvedBy'>>

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
  const end = endOf(named, facts, others) ?? (await twinOf(parts.inbox, named, others, facts))
  if (end !== undefined) return ended(end)
  if (isElsewhere(event, facts)) {
    // A forge's answers may lag behind its own deliveries.
    if (!lastTry) throw new MeshError('PULL_REQUEST_BEHIND', moveOf(named, facts))
    return ended(superseded(event, facts))
  }
  for (const other of others) {
    if (other.state !== 'waiting' || other.runId === named.delivery.runId) continue
    const reason = superseded({ number: event.number, base: other.base }, facts)
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
  const { approvedBy = '', base } = (await parts.inbox.get(delivery.key)) ?? {}
  if (approvedBy === '') return waiting(parts.inbox, named, source)
  // Its author can send it to another branch, whose pipeline file nobody has looked at.
  if (base !== undefined && base !== source.base) return waiting(parts.inbox, named, source)
  const again = await askedSource(parts, named, options)
  if ('kind' in again) return again
  if (again.base === source.base && again.fork === source.fork) return undefined
  const reason = `pull request ${event.number} goes to ${again.base} now, and not to ${source.base}`
  return ended(`${reason}: what was approved is void`)
}

function waiting(inbox: Inbox, { delivery, event }: Named, source: RunSource): Ended {
  const { base } = source
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
  const reason = `pull request ${number} of ${author}, from a fork to ${base}, waits for an approval`
  return { kind: 'ended', state: 'waiting', reason, reopenable: false, base, approvedBy: '' }
}

/** Why nothing is to be announced; undefined where nothing speaks against it but its head. */
function endOf(
  { delivery, event, repository }: Named,
  facts: PullRequestFacts,
  others: readonly DeliverySummary[]
): string | undefined {
  if (!facts.isOpen) return `pull request ${event.number} is closed`
  // Another head or base has been heard of since: that is why the forge says so.
  const isFollowed = others.some(
    ({ runId, receivedAtMs }) => runId !== delivery.runId && receivedAtMs >= delivery.receivedAtMs
  )
  if (isElsewhere(event, facts) && isFollowed) return superseded(event, facts)
  if (!repository.selects(facts.baseBranch)) {
    return `branch ${facts.baseBranch} is not selected in gateway.yaml`
  }
  return undefined
}

/**
 * Why another delivery of the same run is the one that counts, or one of the same head that was
 * sent to the same branch since; undefined where none does.
 */
async function twinOf(
  inbox: Inbox,
  { delivery, event }: Named,
  others: readonly DeliverySummary[],
  { baseBranch }: PullRequestFacts
): Promise<string | undefined> {
  for (const { key, runId, state, reopenable, deliveryId, base } of others) {
    // Each time that it is sent elsewhere the file there has its say, and its status.
    const isSame = runId === delivery.runId || (event.base === undefined && base === baseBranch)
    if (reopenable || !isSame) continue
    const other = await inbox.get(key)
    if (other === undefined || commitOf(eventOf(other)) !== event.head) continue
    const isDecided = state !== 'received' || other.sealed !== undefined
    if (isDecided) return `its run is that of delivery ${deliveryId}`
  }
  return undefined
}

/** True where the forge says another head than the delivery, or another base than that said. */
function isElsewhere({ head, base }: PullRequestEvent, facts: PullRequestFacts): boolean {
  return facts.headCommit !== head || (base !== undefined && facts.baseBranch !== base)
}

function moveOf({ event, repository }: Named, { headCommit, baseBranch }: PullRequestFacts) {
  const { number, base, head } = event
  const isSentOn = headCommit === head && base !== undefined
  const [now, before] = isSentOn ? [`${head} for ${baseBranch}`, `${head} for ${base}`] : []
  return { number, repository: repository.name, head: now ?? headCommit, commit: before ?? head }
}

function superseded(
  { number, base, head }: Pick<PullRequestEvent, 'number' | 'base'> & { readonly head?: string },
  { headCommit, baseBranch }: PullRequestFacts
): string {
  const isSentOn = head === undefined || head === headCommit
  const now =
    isSentOn && base !== undefined && base !== baseBranch
      ? `goes to ${baseBranch}`
      : `is at ${headCommit}`
  return `superseded: pull request ${number} ${now} now, whose own delivery runs it`
}

/** Looked at anew when any of its deliveries comes again, for the forge may say otherwise then. */
function ended(reason: string): Ended {
  return { kind: 'ended', state: 'ignored', reason, reopenable: true }
}
