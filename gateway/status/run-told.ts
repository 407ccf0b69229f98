import type { BoardJob } from '../../protocol/core/board-job.ts'
import {
  STATUS_CONTEXT_CHARACTERS_MAX,
  STATUS_DESCRIPTION_CHARACTERS_MAX
} from '../../protocol/core/forge-limits.ts'
import { isTerminal, type JobPhase, type JobState } from '../../protocol/core/job.ts'
import type { Announcement } from '../../protocol/core/run.ts'
import { runStatusOf } from '../../protocol/core/run-state.ts'
import type { StatusState } from '../forge/forge-api.ts'
import type { Told } from './told.ts'

/**
 * Context of a run; its jobs have theirs behind a slash. A pull request's run has another one: its
 * head is often a branch's newest commit as well, and what the one says must not hide the other.
 */
export function runContextOf(event: string): string {
  return event === 'pull_request' ? 'runner-mesh-pr' : 'runner-mesh'
}

export interface ToldOptions {
  readonly channel: Told['channel']
  /** Where the gateway is reached, without a slash at its end; undefined for no links. */
  readonly publicUrl: string | undefined
}

const STATES: Readonly<Record<JobPhase, StatusState>> = {
  queued: 'queued',
  leased: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  errored: 'errored',
  cancelled: 'cancelled',
  skipped: 'skipped',
  // Its register is another one now, where it goes on.
  moved: 'running'
}

/** What there is to tell of a run and each of its jobs, as the board has them. */
export function runTold(
  announcement: Announcement,
  jobs: readonly BoardJob[],
  options: ToldOptions
): readonly Told[] {
  const { runId, issuedAtMs, manifest } = announcement
  const { origin, repository, error } = manifest
  const head = {
    repository,
    channel: options.channel,
    runId,
    commit: origin.commit,
    ref: origin.ref,
    event: origin.event,
    issuedAtMs
  }
  const context = runContextOf(origin.event)
  const told = jobs.map((job): Told => {
    const phase = job.state?.phase ?? 'queued'
    return {
      ...head,
      jobIndex: job.spec.index,
      context: cut(`${context}/${job.spec.name}`, STATUS_CONTEXT_CHARACTERS_MAX),
      name: job.spec.name,
      state: STATES[phase],
      isFinal: isEnded(phase),
      description: described(jobText(job.state)),
      targetUrl: pageOf(options, `jobs/${job.jobId}`),
      version: job.state?.version ?? 0
    }
  })
  const phases = jobs.map((job) => job.state?.phase ?? 'queued')
  const isOver = phases.every(isEnded)
  const run: Told = {
    ...head,
    jobIndex: undefined,
    context,
    name: '',
    state: isOver ? endOf(runStatusOf(manifest, phases)) : goingOn(phases),
    isFinal: isOver,
    description: described(error?.message ?? runText(phases)),
    targetUrl: pageOf(options, `runs/${runId}`),
    // Every one of them only grows, and so does their sum.
    version: jobs.reduce((sum, job) => sum + (job.state?.version ?? 0), 0)
  }
  return [run, ...told]
}

function isEnded(phase: JobPhase): boolean {
  return phase !== 'moved' && isTerminal(phase)
}

function endOf(status: ReturnType<typeof runStatusOf>): StatusState {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled'
    ? status
    : 'errored'
}

/** Never red while something goes on: what is red on a forge is looked at as over. */
function goingOn(phases: readonly JobPhase[]): StatusState {
  return phases.every((phase) => phase === 'queued') ? 'queued' : 'running'
}

function runText(phases: readonly JobPhase[]): string {
  const count = (...wanted: readonly JobPhase[]): number =>
    phases.filter((phase) => wanted.includes(phase)).length
  const all = `${phases.length} job${phases.length === 1 ? '' : 's'}`
  const bad = (
    [
      ['failed', count('failed')],
      ['errored', count('errored')],
      ['cancelled', count('cancelled')]
    ] as const
  ).flatMap(([word, number]) => (number === 0 ? [] : [`${number} ${word}`]))
  if (!phases.every(isEnded)) {
    const ended = phases.filter(isEnded).length
    const begun = phases.some((phase) => phase !== 'queued')
    return begun ? [`${ended} of ${all} ended`, ...bad].join(', ') : `${all} queued`
  }
  return bad.length === 0 ? `${all} succeeded` : `${bad.join(', ')} of ${all}`
}

function jobText(state: JobState | undefined): string {
  if (state === undefined) return 'queued'
  const { phase, outcome, op } = state
  const reason = 'reason' in op.body ? op.body.reason.replaceAll('_', ' ') : ''
  const said = 'message' in op.body ? op.body.message : ''
  switch (phase) {
    case 'queued':
    case 'leased':
    case 'moved':
      return attemptText(state)
    case 'succeeded':
      return `succeeded in ${Math.round((outcome?.durationMs ?? 0) / 1000)} s`
    case 'skipped':
      return `skipped: ${reason || 'not needed'}`
    case 'cancelled':
      return `cancelled: ${state.cancel?.reason || outcome?.message || reason || 'by order'}`
    case 'failed':
    case 'errored':
      return outcome?.message || said || (outcome?.reason ?? reason).replaceAll('_', ' ') || phase
    default:
      return phase satisfies never
  }
}

function attemptText({ phase, attempts, attemptsMax, history }: JobState): string {
  const attempt = Math.max(1, phase === 'leased' ? attempts : attempts + 1)
  const of = `attempt ${attempt} of ${attemptsMax}`
  if (history.at(-1)?.end === 'expired') return `runner lost, ${of}`
  const word = phase === 'leased' ? 'running' : 'queued'
  return attempt === 1 ? word : `${word}, ${of}`
}

function pageOf({ publicUrl }: ToldOptions, path: string): string | undefined {
  return publicUrl === undefined ? undefined : `${publicUrl}/${path}`
}

/** One line that fits every forge. */
export function described(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cs}\p{Bidi_Control}]+/gu, ' ').trim()
  return cut(line, STATUS_DESCRIPTION_CHARACTERS_MAX)
}

/** Half of a surrogate pair at the cut would be no text. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text
  return `${text.slice(0, max - 3).replace(/[\ud800-\udbff]$/, '')}...`
}
