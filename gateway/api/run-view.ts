import { branchOf } from '../../protocol/api/job-document.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { seenPhase } from '../../protocol/core/job-filter.ts'
import { BOARD_READS_MAX } from '../../protocol/core/limits.ts'
import { phaseShown } from '../../protocol/core/move.ts'
import {
  type JobSpec,
  jobIdOf,
  type Manifest,
  type ManifestError,
  type SealedAnnouncement
} from '../../protocol/core/run.ts'
import { runStatusOf } from '../../protocol/core/run-state.ts'
import type { Delivery } from '../../protocol/store/inbox-store.ts'
import { commitOf, eventOf, pusherOf } from '../source-event.ts'
import type { ApiParts } from './parts.ts'
import { runIdMeant } from './run-lookup.ts'
import type { RunDocument } from './schemas.ts'

const RUN_ID = /^[0-9A-Z]{1,64}$/

/** A run by its full or short id. Throws RUN_UNKNOWN, RUN_AMBIGUOUS. */
export async function runDocument(parts: ApiParts, id: string): Promise<RunDocument> {
  const runId = runIdMeant(parts, id)
  const run = parts.board.run(runId)
  if (run !== undefined) return chosenRun(parts, run.sealed)
  const delivery = RUN_ID.test(runId) ? await parts.inbox.byRun(runId) : undefined
  if (delivery === undefined) throw new MeshError('RUN_UNKNOWN', { id })
  return await deliveredRun(parts, delivery)
}

/** A run that is on the board. */
export function chosenRun(parts: ApiParts, sealed: SealedAnnouncement): RunDocument {
  const { runId, gateway, issuedAtMs, manifest } = sealed.announcement
  const jobs = parts.board.jobsOf(runId).map((job) => ({
    id: job.jobId,
    shortId: parts.board.shortId(job.jobId),
    name: job.spec.name,
    state: seenPhase(job),
    ...tiesOf(runId, job.spec)
  }))
  return {
    id: runId,
    shortId: parts.board.shortRunId(runId),
    state: parts.board.runStatus(runId) ?? 'queued',
    reason: manifest.error?.message ?? null,
    ...described(manifest),
    gateway,
    announcedAt: new Date(issuedAtMs).toISOString(),
    jobs
  }
}

/** A run that is not on the board: not chosen yet, ignored, or recorded before a restart. */
export async function deliveredRun(parts: ApiParts, delivery: Delivery): Promise<RunDocument> {
  const sealed = delivery.sealed === undefined ? undefined : parts.announcer.open(delivery.sealed)
  const { runId: id, state, reason, repository } = delivery
  const shortId = parts.board.shortRunId(id)
  const head = { id, shortId, reason: reason === '' ? null : reason }
  if (sealed === undefined || state === 'ignored') {
    const event = eventOf(delivery)
    const commit = commitOf(event)
    const { kind, ref } = event
    const push = pushed({ ref, event: kind, commit, pusher: pusherOf(event) })
    const rest = { title: '', gateway: null, announcedAt: null, error: null, jobs: [] }
    return { ...head, state: seenState(state), repository, ...push, ...rest }
  }
  const { announcement } = sealed
  const known = {
    ...head,
    ...described(announcement.manifest),
    gateway: announcement.gateway,
    announcedAt: new Date(announcement.issuedAtMs).toISOString()
  }
  if (state !== 'recorded') return { ...known, state: seenState(state), jobs: [] }
  return { ...known, ...(await askedJobs(parts, sealed)) }
}

function seenState(state: Delivery['state']): Exclude<Delivery['state'], 'recorded'> {
  return state === 'recorded' ? 'received' : state
}

/** The jobs of a run that the board has dropped or not heard of yet, from the witnesses. */
async function askedJobs(
  parts: ApiParts,
  { announcement }: SealedAnnouncement
): Promise<Pick<RunDocument, 'state' | 'jobs'>> {
  const { runId, manifest } = announcement
  const phases: ReturnType<typeof phaseShown>[] = []
  for (let at = 0; at < manifest.jobs.length; at += BOARD_READS_MAX) {
    const few = manifest.jobs.slice(at, at + BOARD_READS_MAX)
    const states = await Promise.all(few.map((spec) => parts.readJob(jobIdOf(runId, spec.index))))
    phases.push(...states.map(phaseShown))
  }
  const jobs = manifest.jobs.map((spec) => ({
    id: jobIdOf(runId, spec.index),
    shortId: parts.board.shortId(jobIdOf(runId, spec.index)),
    name: spec.name,
    state: phases[spec.index] ?? 'queued',
    ...tiesOf(runId, spec)
  }))
  return { state: runStatusOf(manifest, phases), jobs }
}

/** How a job hangs together with others. */
function tiesOf(runId: string, { needs = [], retries = 0, concurrency }: JobSpec) {
  const ids = needs.map((index) => jobIdOf(runId, index))
  return { needs: ids, retries, group: concurrency?.group ?? null }
}

function pushed(what: Pick<RunDocument, 'ref' | 'event' | 'commit' | 'pusher'>) {
  return { ...what, branch: branchOf(what.ref) }
}

function described(manifest: Manifest) {
  const { origin, repository, title, pusher, error } = manifest
  return {
    repository,
    ...pushed({ ref: origin.ref, event: origin.event, commit: origin.commit, pusher }),
    title,
    error: error === undefined ? null : errorView(error)
  }
}

function errorView(error: ManifestError) {
  const { code, message, line, column, path } = error
  return { code, message, line: line ?? null, column: column ?? null, path: path ?? null }
}
