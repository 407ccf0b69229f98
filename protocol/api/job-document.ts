import type { Board } from '../core/board.ts'
import type { BoardJob } from '../core/board-job.ts'
import { isTerminal, type JobState } from '../core/job.ts'
import { holderOf, seenPhase } from '../core/job-filter.ts'
import { attemptOf, attemptsAtMost } from '../core/retries.ts'
import type { SealedRoster } from '../core/roster.ts'
import { jobIdOf } from '../core/run.ts'
import { Turns } from '../core/turns.ts'
import { reasonOf, type WhyView, whyOf } from '../core/why.ts'
import type { JobDocument } from './job-schema.ts'
import { memberName } from './member-names.ts'
import type { Sources } from './sources.ts'

/** What all jobs of one answer share, computed once: the queue and the agents as they are now. */
export interface JobContext extends WhyView {
  readonly board: Pick<Board, 'run' | 'shortId'>
  readonly queue: readonly BoardJob[]
  readonly roster: SealedRoster | undefined
  readonly bootMs: number
}

export function jobContext(sources: Sources): JobContext {
  const { board, clock } = sources
  const open = board.openJobs()
  const turns = new Turns(open, board, clock.wallMs())
  const queue = open.filter((job) => {
    return (job.state?.phase ?? 'queued') === 'queued' && !turns.holdOf(job)
  })
  const bootMs = clock.bootMs()
  const agents = board.agents(bootMs)
  return { board, roster: sources.roster(), agents, queue, turns, wallMs: clock.wallMs(), bootMs }
}

export function jobDocument(job: BoardJob, context: JobContext): JobDocument {
  const { board, roster, wallMs } = context
  const announcement = board.run(job.runId)?.sealed.announcement
  const manifest = announcement?.manifest
  const { state, stage } = job
  const holder = holderOf(job)
  const ref = manifest?.origin.ref ?? ''
  const announcedAtMs = announcement?.issuedAtMs ?? job.changedAtMs
  return {
    id: job.jobId,
    shortId: board.shortId(job.jobId),
    run: job.runId,
    repository: manifest?.repository ?? '',
    ref,
    branch: branchOf(ref),
    commit: manifest?.origin.commit ?? '',
    title: manifest?.title ?? '',
    name: job.spec.name,
    trust: job.trust,
    state: seenPhase(job),
    reason: reasonOf(state) ?? null,
    cancel: cancelOf(state, roster),
    why: whyOf(job, context),
    holder: holder === undefined ? null : memberName(holder, roster),
    epoch: state?.epoch ?? 0,
    attempt: state === undefined ? 0 : attemptOf(state),
    attemptsMax: state === undefined ? 0 : attemptsAtMost(state),
    stage: stage === undefined ? null : { ...stage },
    exitCode: state?.outcome?.exitCode ?? null,
    announcedAt: new Date(announcedAtMs).toISOString(),
    // Our clock may be behind the gateway's: nothing is younger than new.
    ageMs: Math.max(0, wallMs - announcedAtMs),
    durationMs: durationMs(job, wallMs),
    steps: stepsOf(state),
    gpuUse: gpuUseOf(state),
    gpusNow: gpusNowOf(job, context),
    ...graphOf(job)
  }
}

/** How it hangs together with others. */
function graphOf({ runId, spec, state }: BoardJob) {
  const { needs = [], retries = 0, priority = 0, concurrency, matrix = {} } = spec
  return {
    needs: needs.map((index) => jobIdOf(runId, index)),
    retries,
    priority,
    group: concurrency?.group ?? null,
    matrix: { ...matrix },
    outputs: { ...state?.outcome?.outputs }
  }
}

/** `main` of `refs/heads/main`; any other ref as it is. */
export function branchOf(ref: string): string {
  return ref.replace(/^refs\/heads\//, '')
}

/** Of an ended job its outcome's; of a held one the time since its lease; else none. */
function durationMs(job: BoardJob, wallMs: number): number | null {
  const { state } = job
  if (state !== undefined && isTerminal(state.phase)) return state.outcome?.durationMs ?? null
  if (state?.phase !== 'leased' || job.holderSinceMs === undefined) return null
  return Math.max(0, wallMs - job.holderSinceMs)
}

function cancelOf(
  state: JobState | undefined,
  roster: SealedRoster | undefined
): JobDocument['cancel'] {
  if (state?.cancel === undefined) return null
  const { by, reason, graceMs = null } = state.cancel
  return { by: memberName(by, roster), reason, graceMs }
}

function gpuUseOf(state: JobState | undefined): JobDocument['gpuUse'] {
  const use = state?.outcome?.gpuUse
  if (use === undefined) return null
  return {
    samples: use.samples,
    busyPeakPercent: use.busyPeakPercent ?? null,
    busyMeanPercent: use.busyMeanPercent ?? null,
    memoryPeakBytes: use.memoryPeakBytes ?? null,
    memoryMeanBytes: use.memoryMeanBytes ?? null
  }
}

/** Of a held job, by the word of whoever holds it: of nobody else. */
function gpusNowOf(job: BoardJob, { agents, bootMs }: JobContext): JobDocument['gpusNow'] {
  if (job.state?.phase !== 'leased') return []
  const holder = holderOf(job)
  const view = agents.find(({ advertisement }) => advertisement.peerId === holder)
  const look = view?.advertisement.gpuLook
  if (view === undefined || look === undefined) return []
  const ageMs = Math.round(look.ageMs + bootMs - view.heardAtMs)
  return look.gpus.flatMap(({ id: gpu, jobs }) =>
    jobs
      .filter((each) => each.job === job.jobId)
      .map(({ busyPercent = null, memoryBytes = null }) => ({
        ...{ gpu, busyPercent, memoryBytes, ageMs }
      }))
  )
}

// Key by key: a new field of the domain must not get out, the schema would refuse the whole answer.
function stepsOf(state: JobState | undefined): JobDocument['steps'] {
  return (state?.outcome?.steps ?? []).map((step) => ({
    name: step.name,
    state: step.state,
    exitCode: step.exitCode ?? null,
    durationMs: step.durationMs
  }))
}
