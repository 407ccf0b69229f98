import type { Board } from './board.ts'
import type { BoardJob } from './board-job.ts'
import { conditionOf, type QueuedJob } from './conditions.ts'
import { GROUP_HOLD_MS_MAX } from './graph-limits.ts'
import { holdLine, preferLine } from './hold-line.ts'
import type { Cancellation, JobState, Reason } from './job.ts'
import { isLastLease } from './losses.ts'
import type { AgentView } from './observation.ts'
import { EMULATED_TIMEOUT_FACTOR } from './platform-limits.ts'
import { fits, platformFor } from './requirements.ts'
import { attemptOf, attemptsAtMost } from './retries.ts'
import type { Hold, Turns } from './turns.ts'

/**
 * What a line about a job may draw on; `queue` holds the queued jobs that may be claimed, oldest
 * first.
 */
export interface WhyView {
  readonly agents: readonly AgentView[]
  readonly queue: readonly QueuedJob[]
  readonly turns: Pick<Turns, 'holdOf'>
  readonly board: Pick<Board, 'shortId'>
  readonly wallMs: number
}

/** One line on why the job is where it is; '' where there is nothing to explain. */
export function whyOf(job: BoardJob, view: WhyView): string {
  const { state } = job
  if (state === undefined) return whyQueued(job, view)
  const nameOf = namesOf(view.agents)
  switch (state.phase) {
    case 'queued':
      return [whyQueued(job, view), ...givenBack(state, nameOf)].join('; ')
    case 'leased':
      return whyLeased(job, state, view.agents, nameOf)
    case 'succeeded':
      return takenOver(state, nameOf)
    case 'skipped':
    case 'moved':
      return ''
    case 'failed':
    case 'errored':
    case 'cancelled':
      return state.outcome?.message ?? state.outcome?.reason ?? state.cancel?.reason ?? ''
    default:
      return state.phase satisfies never
  }
}

function whyQueued(job: BoardJob, { agents, queue, turns, board, wallMs }: WhyView): string {
  const hold = turns.holdOf(job)
  if (hold !== undefined) {
    const line = holdLine(hold, (jobId) => board.shortId(jobId))
    return [line, ...stuckBehind(hold, agents, queue)].join('; ')
  }
  return preferLine(job, agents, wallMs) ?? conditionOf(job, agents, queue).line
}

/** Why its group may stand still: whoever waits has to know that somebody must do something. */
function stuckBehind(
  hold: Hold,
  agents: readonly AgentView[],
  queue: readonly QueuedJob[]
): readonly string[] {
  if (hold.kind !== 'group' || (hold.behind.state?.phase ?? 'queued') !== 'queued') return []
  const { line, resolves } = conditionOf(hold.behind, agents, queue)
  if (resolves) return []
  const minutes = Math.round(GROUP_HOLD_MS_MAX / 60_000)
  return [`${line}: cancel that one, or wait until none of the group has run for ${minutes} min`]
}

type NameOf = (peerId: string) => string

function namesOf(agents: readonly AgentView[]): NameOf {
  const names = new Map(agents.map(({ advertisement: ad }) => [ad.peerId, ad.name]))
  return (peerId) => names.get(peerId) ?? peerId
}

// A job that goes round and round looks merely queued; the reason of its last release shows it.
function givenBack(state: JobState, nameOf: NameOf): readonly string[] {
  const { body, actor } = state.op
  if (body.kind === 'release') return [`given back by ${nameOf(actor)} (${body.reason})`]
  if (body.kind !== 'complete') return []
  const tried = `attempt ${attemptOf(state)} of ${attemptsAtMost(state)} failed on ${nameOf(actor)}`
  return [`${tried} (${body.outcome.reason}), it is tried again`]
}

function whyCancelled({ reason, graceMs }: Cancellation): string {
  const grace = graceMs === undefined ? '' : `; its steps have ${graceMs / 1_000} s to end`
  return `cancel asked for: ${reason}${grace}`
}

function whyLeased(
  job: BoardJob,
  state: JobState,
  agents: readonly AgentView[],
  nameOf: NameOf
): string {
  if (state.cancel !== undefined) return whyCancelled(state.cancel)
  const holder = agents.find((view) => view.advertisement.peerId === state.lease?.holder)
  if (holder?.observed === 'suspect' || holder?.observed === 'offline') {
    const others = agents.filter(
      (view) => view !== holder && fits(job, view.advertisement).length === 0
    )
    return `${holder.advertisement.name} is ${holder.observed}; ${whatFollows(state, others.length)}`
  }
  const lost = takenOver(state, nameOf)
  const lines = [emulatedOn(job, holder), endedBefore(state, nameOf), lost]
  return lines.filter((line) => line !== '').join('; ')
}

function endedBefore(state: JobState, nameOf: NameOf): string {
  const before = state.history.at(-1)
  if (before === undefined || before.end === 'expired') return ''
  const name = nameOf(before.holder)
  return before.end === 'released' ? `given back by ${name} before` : `failed on ${name} before`
}

/** Whoever wonders why the job is so slow, or why no timeout has ended it, finds it here. */
function emulatedOn({ spec }: BoardJob, holder: AgentView | undefined): string {
  if (holder === undefined || spec.platform === undefined) return ''
  const { platforms, name } = holder.advertisement
  const platform = platformFor(spec, platforms)
  if (platform === undefined || platform.native) return ''
  return `${name} emulates ${spec.platform}: its timeouts are ${EMULATED_TIMEOUT_FACTOR} times as long`
}

function whatFollows(state: JobState, othersThatFit: number): string {
  if (isLastLease(state)) return 'its last attempt: the job ends with its lease'
  if (othersThatFit === 0) return 'no other agent fits, so the job waits for one'
  return 'another agent takes over when its lease ends'
}

// A lost host is no failed test: whoever wonders why the job took so long finds it here.
function takenOver(state: JobState, nameOf: NameOf): string {
  const lost = state.history.findLast((entry) => entry.end === 'expired')
  if (lost === undefined) return ''
  const attempt = `attempt ${attemptOf(state)} of ${attemptsAtMost(state)}`
  return `${attempt}: taken over from ${nameOf(lost.holder)} (agent_lost)`
}

/**
 * Why the job is in its state: its outcome's reason, and `agent_lost` while an attempt runs that
 * follows a lost one.
 */
export function reasonOf(state: JobState | undefined): Reason | undefined {
  if (state?.phase !== 'leased') return state?.outcome?.reason
  return state.history.some((entry) => entry.end === 'expired') ? 'agent_lost' : undefined
}
