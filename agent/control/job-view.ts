import type { BoardJob } from '../../protocol/core/board-job.ts'
import { isTerminal } from '../../protocol/core/job.ts'
import { holderOf, seenPhase } from '../../protocol/core/job-filter.ts'
import type { AgentView } from '../../protocol/core/observation.ts'
import { type WhyView, whyOf } from '../../protocol/core/why.ts'
import type { JobView } from './contract.ts'
import type { ControlParts } from './parts.ts'

/** What all jobs of one answer share, computed once: the queue and the agents as they are now. */
export interface JobViewContext extends WhyView {
  readonly wallMs: number
}

export function jobViewContext(parts: ControlParts): JobViewContext {
  const queue = parts.board
    .openJobs()
    .filter((job) => (job.state?.phase ?? 'queued') === 'queued')
    .map((job) => ({ jobId: job.jobId, spec: job.spec }))
  return { agents: agentViews(parts), queue, wallMs: parts.clock.wallMs() }
}

export function agentViews(parts: ControlParts): readonly AgentView[] {
  return parts.board.agents(parts.clock.bootMs())
}

export function jobView(job: BoardJob, parts: ControlParts, context: JobViewContext): JobView {
  const run = parts.board.run(job.runId)
  const manifest = run?.sealed.announcement.manifest
  const { state, stage } = job
  const ref = manifest?.origin.ref ?? ''
  const announcedAtMs = run?.sealed.announcement.issuedAtMs ?? job.changedAtMs
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
      name: step.name,
      state: step.state,
      exitCode: step.exitCode ?? null,
      durationMs: step.durationMs
    }))
  }
}

function durationMs(job: BoardJob, wallMs: number): number | null {
  const { state } = job
  if (state !== undefined && isTerminal(state.phase)) return state.outcome?.durationMs ?? null
  if (state?.phase !== 'leased' || job.holderSinceMs === undefined) return null
  return Math.max(0, wallMs - job.holderSinceMs)
}

function holderName(job: BoardJob, parts: ControlParts): string | null {
  const holder = holderOf(job)
  if (holder === undefined) return null
  const member = parts.roster()?.roster.members.find(({ peerId }) => peerId === holder)
  return member?.name ?? holder
}
