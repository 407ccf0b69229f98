import { causeOf, codeOf, type ErrorCode, MeshError } from '../protocol/core/errors.ts'
import { ANNOUNCEMENT_VALID_MS } from '../protocol/core/limits.ts'
import type { Clock } from '../protocol/core/ports.ts'
import type { Manifest, SealedAnnouncement } from '../protocol/core/run.ts'
import type { Delivery } from '../protocol/store/inbox-store.ts'
import { erroredManifest, errorOf, invalidPipeline, type Meaning, meaningOf } from './manifest.ts'
import type {
  Announcer,
  CommitContent,
  CommitReader,
  DeclaredRepository,
  ForgeFacts,
  Inbox,
  Recorder
} from './ports.ts'
import { slotManifest } from './provision/slot-manifest.ts'
import { type AskOptions, askedSource, type Ended, heldBack } from './pull-request.ts'
import { type RunSource, sourceOf } from './run-source.ts'
import { eventOf, isSameRepository } from './source-event.ts'

interface Declarations<R> {
  find(name: string): R | undefined
  findSame(url: string): R | undefined
}

export interface AnnounceParts {
  readonly inbox: Inbox
  readonly repositories: Declarations<DeclaredRepository>
  readonly commits: CommitReader
  readonly facts: ForgeFacts
  readonly announcer: Announcer
  readonly recorder: Pick<Recorder, 'witnessEpoch'>
  readonly clock: Clock
}

export type Announced = { readonly kind: 'sealed'; readonly sealed: SealedAnnouncement } | Ended

/** `lastTry`: the forge has been asked for long enough, and the run is errored, not retried. */
export type AnnounceOptions = AskOptions

/**
 * From a delivery to its announcement, sealed once and stored before anyone sees it: after a crash
 * the same bytes go out again. Rejects with REPOSITORY_ABSENT, REPOSITORY_MOVED, ROSTER_ABSENT,
 * WORKSPACE_FETCH_FAILED, STORE_FAILED, as askedSource does for pull requests, and with
 * ANNOUNCEMENT_INVALID where trying again is no use.
 */
export async function announce(
  parts: AnnounceParts,
  delivery: Delivery,
  options: AnnounceOptions
): Promise<Announced> {
  const event = eventOf(delivery)
  const repository = declaredFor(parts, delivery)
  // Asked first: without a roster the commit would be fetched again at every try.
  const witnessEpoch = parts.recorder.witnessEpoch()
  if (witnessEpoch === undefined) {
    throw new MeshError('ROSTER_ABSENT', { state: 'this gateway', id: parts.announcer.gateway })
  }
  if (event.kind === 'workflow_job') {
    const manifest = slotManifest(event, repository)
    if (manifest !== undefined) return await sealed(parts, delivery, { witnessEpoch, manifest })
    const reason = `${event.labels.join(', ')}: no such runners are in gateway.yaml any more`
    return { kind: 'ended', state: 'ignored', reason, reopenable: false }
  }
  const isRequest = event.kind === 'pull_request'
  const request = isRequest ? { delivery, event, repository } : undefined
  const source = isRequest
    ? await askedSource(parts, { delivery, event, repository }, options)
    : sourceOf(event, repository)
  if ('kind' in source) return source
  const meaning = await read(parts, source, options)
  if (meaning.kind === 'ignored') {
    // A label can select it on the same head, later.
    const reopenable = request !== undefined
    return { kind: 'ended', state: 'ignored', reason: meaning.reason, reopenable }
  }
  if (request !== undefined && source.needsApproval) {
    const held = await heldBack(parts, request, source, options)
    if (held !== undefined) return held
  }
  const { manifest } = meaning
  return await sealed(parts, delivery, { witnessEpoch, manifest, source })
}

interface Draft {
  readonly witnessEpoch: number
  readonly manifest: Manifest
  /** Of a run whose jobs a pipeline file has. */
  readonly source?: RunSource | undefined
}

async function sealed(
  parts: AnnounceParts,
  { key, runId }: Delivery,
  { manifest, source, witnessEpoch: now }: Draft
): Promise<Announced> {
  // Decision 3: the epoch first used stays, else two witness sets could each choose a run.
  const witnessEpoch = await parts.inbox.pinEpoch(runId, now)
  const gwSeq = await parts.inbox.nextGwSeq(parts.clock.wallMs())
  try {
    const made = await seal(parts, { runId, witnessEpoch, gwSeq, source, manifest })
    const { issuedAtMs } = made.announcement
    const open = { gwSeq, runId, witnessEpoch, issuedAtMs }
    await parts.inbox.update(key, { sealed: made.bytes, open, base: source?.base })
    return { kind: 'sealed', sealed: made }
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
  { inbox, announcer, recorder, clock }: Omit<AnnounceParts, 'repositories' | 'commits' | 'facts'>,
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
  const sealed = await announcer.seal({ ...announcement, ...head })
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
export function declaredFor<R extends DeclaredRepository>(
  { repositories }: { readonly repositories: Declarations<R> },
  { repository, url }: Pick<Delivery, 'repository' | 'url'>
): R {
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
  source: RunSource,
  options: AnnounceOptions
): Promise<Meaning> {
  const { repository, change } = source
  const { signal } = options
  try {
    const content = await contentOf(parts.commits, source, signal)
    return await meaningOf(source, content, async () => {
      if (change === undefined) return undefined
      return await parts.commits.changedPaths(repository, change, signal)
    })
  } catch (error) {
    if (!options.lastTry || signal.aborted) throw error
    const known =
      error instanceof MeshError ? error : new MeshError('BUG', { problem: causeOf(error) })
    return { kind: 'run', manifest: erroredManifest(source, errorOf(known)) }
  }
}

/** A stranger does not say what runs: of a fork it is the file of the branch that it goes to. */
async function contentOf(
  commits: CommitReader,
  { repository, fork, base = '', event, pipeline }: RunSource,
  signal: AbortSignal
): Promise<CommitContent> {
  if (fork) return await commits.readBranch(repository, base, signal)
  const content = await commits.read(repository, event.commit, signal)
  if (pipeline === undefined) return content
  return { ...content, pipeline: { kind: 'found', bytes: new TextEncoder().encode(pipeline) } }
}

interface Sealing extends Draft {
  readonly runId: string
  readonly gwSeq: number
}

async function seal(parts: AnnounceParts, sealing: Sealing): Promise<SealedAnnouncement> {
  const { runId, witnessEpoch, gwSeq, source, manifest } = sealing
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
    return await parts.announcer.seal({ ...head, manifest })
  } catch (error) {
    const code = codeOf(error)
    const isTooLarge = code === 'ANNOUNCEMENT_INVALID' || code === 'MESSAGE_TOO_LARGE'
    if (!isTooLarge || source === undefined) throw error
    // Each job is within its limits, all together are not one message: the author's to know.
    const problem = `the jobs do not fit one announcement: ${causeOf(error)}`
    const reason = invalidPipeline('jobs', problem)
    return await parts.announcer.seal({ ...head, manifest: erroredManifest(source, reason) })
  }
}
