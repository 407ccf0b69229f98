import type { Board } from '../../protocol/core/board.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { isTerminal } from '../../protocol/core/job.ts'
import {
  holderOf,
  type JobCursor,
  type JobFilter,
  parseCursor,
  seenPhase
} from '../../protocol/core/job-filter.ts'
import { type WhyView, whyOf } from '../../protocol/core/why.ts'
import type { ApiParts } from './parts.ts'
import type { JobDocument, JobQuery } from './schemas.ts'

/** What all jobs of one answer share, computed once: the queue and the agents as they are now. */
interface JobContext extends WhyView {
  readonly wallMs: number
}

/** One page, newest run first. Throws REQUEST_INVALID for a cursor that is none. */
export function jobPage(
  parts: ApiParts,
  query: JobQuery
): { jobs: JobDocument[]; next: string | null } {
  const filter: JobFilter = {
    states: query.state,
    repository: query.repository,
    ref: query.ref,
    runId: query.run,
    sinceMs: query.since === undefined ? undefined : Date.parse(query.since),
    holder: query.holder === undefined ? undefined : peerIdOf(parts, query.holder)
  }
  const { jobs, next } = parts.board.page(filter, cursorOf(query.cursor), query.limit)
  const context = contextOf(parts)
  return { jobs: jobs.map((job) => jobView(job, parts, context)), next: next ?? null }
}

export function jobDocument(parts: ApiParts, id: string): JobDocument {
  return jobView(findJob(parts.board, id), parts, contextOf(parts))
}

/** The job that a full or short id names. Throws JOB_UNKNOWN, JOB_AMBIGUOUS. */
export function findJob(board: Board, id: string): BoardJob {
  const exact = board.job(id)
  if (exact !== undefined) return exact
  const found = board.find(id)
  if (found.length > 1) {
    const candidates = found.map((jobId) => board.shortId(jobId)).join(', ')
    throw new MeshError('JOB_AMBIGUOUS', { id, candidates })
  }
  const job = board.job(found[0] ?? '')
  if (job === undefined) throw new MeshError('JOB_UNKNOWN', { id })
  return job
}

function contextOf(parts: ApiParts): JobContext {
  const queue = parts.board
    .openJobs()
    .filter((job) => (job.state?.phase ?? 'queued') === 'queued')
    .map((job) => ({ jobId: job.jobId, spec: job.spec }))
  const agents = parts.board.agents(parts.clock.bootMs())
  return { agents, queue, wallMs: parts.clock.wallMs() }
}

function cursorOf(text: string | undefined): JobCursor | undefined {
  if (text === undefined) return undefined
  const cursor = parseCursor(text)
  if (cursor === undefined)
    throw new MeshError('REQUEST_INVALID', { problem: 'cursor is no cursor' })
  return cursor
}

function jobView(job: BoardJob, parts: ApiParts, context: JobContext): JobDocument {
  const announcement = parts.board.run(job.runId)?.sealed.announcement
  const manifest = announcement?.manifest
  const { state, stage } = job
  const ref = manifest?.origin.ref ?? ''
  const announcedAtMs = announcement?.issuedAtMs ?? job.changedAtMs
  return {
    id: job.jobId,
    shortId: parts.board.shortId(job.jobId),
    run: job.runId,
    repository: manifest?.repository ?? '',
    ref,
    branch: ref.replace(/^refs\/heads\//, ''),
    commit: manifest?.origin.commit ?? '',
    title: manifest?.title ?? '',
    name: job.spec.name,
    state: seenPhase(job),
    reason: state?.outcome?.reason ?? null,
    why: whyOf(job, context),
    holder: holderName(job, parts),
    epoch: state?.epoch ?? 0,
    attempt: state?.attempts ?? 0,
    attemptsMax: state?.attemptsMax ?? 0,
    stage: stage === undefined ? null : { ...stage },
    exitCode: state?.outcome?.exitCode ?? null,
    announcedAt: new Date(announcedAtMs).toISOString(),
    ageMs: Math.max(0, context.wallMs - announcedAtMs),
    durationMs: durationMs(job, context.wallMs),
    steps: (state?.outcome?.steps ?? []).map((step) => ({
      ...step,
      exitCode: step.exitCode ?? null
    }))
  }
}

function durationMs(job: BoardJob, wallMs: number): number | null {
  const { state } = job
  if (state !== undefined && isTerminal(state.phase)) return state.outcome?.durationMs ?? null
  if (state?.phase !== 'leased' || job.holderSinceMs === undefined) return null
  return Math.max(0, wallMs - job.holderSinceMs)
}

function holderName(job: BoardJob, parts: ApiParts): string | null {
  const holder = holderOf(job)
  if (holder === undefined) return null
  const members = parts.roster()?.roster.members ?? []
  return members.find(({ peerId }) => peerId === holder)?.name ?? holder
}

/** A member's peer id by its name; text that names nobody matches nothing. */
function peerIdOf(parts: ApiParts, text: string): string {
  const members = parts.roster()?.roster.members ?? []
  return members.find(({ name }) => name === text)?.peerId ?? text
}
