import { causeOf, codeOf, type ErrorCode, MeshError } from '../protocol/core/errors.ts'
import { ANNOUNCEMENT_VALID_MS } from '../protocol/core/limits.ts'
import type { Clock } from '../protocol/core/ports.ts'
import type { Manifest, SealedAnnouncement } from '../protocol/core/run.ts'
import type { Delivery } from '../protocol/store/inbox-store.ts'
import { type GitPush, isSameRepository } from './hooks/git-push.ts'
import { erroredManifest, errorOf, invalidPipeline, type Meaning, meaningOf } from './manifest.ts'
import type { Announcer, CommitReader, DeclaredRepository, Inbox, Recorder } from './ports.ts'

export interface AnnounceParts {
  readonly inbox: Inbox
  readonly repositories: {
    find(name: string): DeclaredRepository | undefined
    findSame(url: string): DeclaredRepository | undefined
  }
  readonly commits: CommitReader
  readonly announcer: Announcer
  readonly recorder: Pick<Recorder, 'witnessEpoch'>
  readonly clock: Clock
}

export type Announced =
  | { readonly kind: 'sealed'; readonly sealed: SealedAnnouncement }
  | ({ readonly kind: 'ended' } & Pick<Delivery, 'state' | 'reason' | 'reopenable'>)

export interface AnnounceOptions {
  readonly signal: AbortSignal
  /** True once the commit has been asked for long enough: the run is then errored, not retried. */
  readonly lastTry: boolean
}

/**
 * From a delivery to its announcement, sealed once and stored before anyone sees it: after a crash
 * the same bytes go out again. Rejects with REPOSITORY_ABSENT, REPOSITORY_MOVED, ROSTER_ABSENT,
 * WORKSPACE_FETCH_FAILED, STORE_FAILED, and with ANNOUNCEMENT_INVALID where trying again is no use.
 */
export async function announce(
  parts: AnnounceParts,
  delivery: Delivery,
  options: AnnounceOptions
): Promise<Announced> {
  const push = JSON.parse(delivery.body) as GitPush
  const repository = sourceOf(parts, delivery)
  // Asked first: without a roster the commit would be fetched again at every try.
  const witnessEpoch = parts.recorder.witnessEpoch()
  if (witnessEpoch === undefined) {
    throw new MeshError('ROSTER_ABSENT', { state: 'this gateway', id: parts.announcer.gateway })
  }
  const meaning = await read(parts, push, repository, options)
  if (meaning.kind === 'ignored') {
    return { kind: 'ended', state: 'ignored', reason: meaning.reason, reopenable: false }
  }
  // Decision 3: the epoch first used stays, else two witness sets could each choose a run.
  const pinned = await parts.inbox.pinEpoch(delivery.runId, witnessEpoch)
  const gwSeq = await parts.inbox.nextGwSeq(parts.clock.wallMs())
  const { runId } = delivery
  const draft = { runId, witnessEpoch: pinned, gwSeq, push, repository }
  try {
    const sealed = seal(parts, draft, meaning.manifest)
    const { issuedAtMs } = sealed.announcement
    const open = { gwSeq, runId, witnessEpoch: pinned, issuedAtMs }
    await parts.inbox.update(delivery.key, { sealed: sealed.bytes, open })
    return { kind: 'sealed', sealed }
  } catch (error) {
    // Nothing was stored under that number, so nobody ever sees any: it must not hold the floor.
    if (UNSTORED.has(codeOf(error))) await parts.inbox.closeAnnouncements([gwSeq])
    throw error
  }
}

const UNSTORED: ReadonlySet<ErrorCode | undefined> = new Set([
  'ANNOUNCEMENT_INVALID',
  'MESSAGE_TOO_LARGE',
  'OVERLOADED'
])

/**
 * The same run under the current witness epoch, since it can begin no more under that of `sealed`;
 * stored before anyone sees it. Rejects with RUN_SUPERSEDED while no later epoch is known here.
 */
export async function announceAnew(
  { inbox, announcer, recorder, clock }: Omit<AnnounceParts, 'repositories' | 'commits'>,
  { key, runId }: Delivery,
  { announcement }: SealedAnnouncement
): Promise<SealedAnnouncement> {
  const witnessEpoch = recorder.witnessEpoch() ?? 0
  if (witnessEpoch <= announcement.witnessEpoch) {
    throw new MeshError('RUN_SUPERSEDED', { id: runId, witnessEpoch: announcement.witnessEpoch })
  }
  // Before the new one is sealed: what the old one may have left is asked for from now on.
  await inbox.repinEpoch(runId, witnessEpoch)
  const gwSeq = await inbox.nextGwSeq(clock.wallMs())
  const issuedAtMs = clock.wallMs()
  const notAfterMs = issuedAtMs + ANNOUNCEMENT_VALID_MS
  const floor = inbox.floor()
  const head = { witnessEpoch, gwSeq, issuedAtMs, notAfterMs, floor }
  const sealed = announcer.seal({ ...announcement, ...head })
  const open = { gwSeq, runId, witnessEpoch, issuedAtMs }
  // The old number stays open, too: a seal may find the run under it, half recorded. It is closed
  // as all are, by a look that finds its epoch sealed, given up, or its run ended.
  await inbox.update(key, { sealed: sealed.bytes, open })
  return sealed
}

/**
 * What the run is made of, as gateway.yaml declares it now. The run was named after the URL at
 * receipt, and an announcement under any other would be refused by all. So a changed URL is taken
 * where it still names that repository, by another scheme say. Else the old one is used, but only
 * as long as some entry declares it: what the operator took out is neither fetched nor run.
 */
function sourceOf(
  { repositories }: Pick<AnnounceParts, 'repositories'>,
  { repository, url }: Delivery
): DeclaredRepository {
  const declared = repositories.find(repository)
  // Without a URL it is from before those were kept; seal() finds out where it does not fit.
  if (declared !== undefined && (url === '' || isSameRepository(declared.url, url))) return declared
  const same = url === '' ? undefined : repositories.findSame(url)
  if (same !== undefined) return same
  if (declared === undefined) throw new MeshError('REPOSITORY_ABSENT', { repository })
  throw new MeshError('REPOSITORY_MOVED', { repository, from: url, to: declared.url })
}

async function read(
  parts: AnnounceParts,
  push: GitPush,
  repository: DeclaredRepository,
  options: AnnounceOptions
): Promise<Meaning> {
  try {
    const commit = await parts.commits.read(repository, push.after, options.signal)
    return meaningOf(push, repository, commit)
  } catch (error) {
    if (!options.lastTry || options.signal.aborted) throw error
    const known =
      error instanceof MeshError ? error : new MeshError('BUG', { problem: causeOf(error) })
    return { kind: 'run', manifest: erroredManifest(push, repository, errorOf(known)) }
  }
}

interface Draft {
  readonly runId: string
  readonly witnessEpoch: number
  readonly gwSeq: number
  readonly push: GitPush
  readonly repository: DeclaredRepository
}

function seal(parts: AnnounceParts, draft: Draft, manifest: Manifest): SealedAnnouncement {
  const { runId, witnessEpoch, gwSeq, push, repository } = draft
  const issuedAtMs = parts.clock.wallMs()
  const notAfterMs = issuedAtMs + ANNOUNCEMENT_VALID_MS
  const { gateway } = parts.announcer
  const head = {
    runId,
    witnessEpoch,
    gateway,
    gwSeq,
    issuedAtMs,
    notAfterMs,
    floor: parts.inbox.floor()
  }
  try {
    return parts.announcer.seal({ ...head, manifest })
  } catch (error) {
    const code = codeOf(error)
    if (code !== 'ANNOUNCEMENT_INVALID' && code !== 'MESSAGE_TOO_LARGE') throw error
    // Each job is within its limits, all together are not one message: the author's to know.
    const problem = `the jobs do not fit one announcement: ${causeOf(error)}`
    const reason = invalidPipeline('jobs', problem)
    return parts.announcer.seal({ ...head, manifest: erroredManifest(push, repository, reason) })
  }
}
