import { IMAGE } from './images-lacking.ts'
import { QUEUE_AHEAD_MAX } from './limits.ts'
import { type AgentView, takesJobs } from './observation.ts'
import { isCandidate } from './placement.ts'
import { fits, POLICY, type Unmet, type Wanted } from './requirements.ts'

export type ConditionKind =
  | 'no_agent'
  | 'no_match'
  | 'unavailable'
  | 'no_capacity'
  | 'awaiting_claim'

/** Why a job is still queued. */
export interface Condition {
  readonly kind: ConditionKind
  /** The whole answer in one line, for people. */
  readonly line: string
  /** False when someone has to do something first. */
  readonly resolves: boolean
  /** The agent that lacks least; only with `no_match`. */
  readonly closest: Closest | undefined
  /** Queued jobs that came earlier and want the same agents; counted up to QUEUE_AHEAD_MAX. */
  readonly ahead: number
}

export interface Closest {
  readonly peerId: string
  readonly name: string
  readonly unmet: readonly Unmet[]
}

export interface QueuedJob extends Wanted {
  readonly jobId: string
}

/** `queue` holds the queued jobs, oldest first; those behind `job` do not matter. */
export function conditionOf(
  job: QueuedJob,
  agents: readonly AgentView[],
  queue: readonly QueuedJob[]
): Condition {
  if (agents.length === 0) {
    const line = 'no agent is known; it will not resolve by itself: start one with `agent start`'
    return { kind: 'no_agent', line, resolves: false, closest: undefined, ahead: 0 }
  }
  const fitting = agents.filter((view) => fits(job, view.advertisement).length === 0)
  if (fitting.length === 0) return noMatch(job, agents)
  const open = fitting.filter(takesJobs)
  if (open.length === 0) return unavailable(fitting)
  return awaiting(job, fitting, open, countAhead(job, open, queue))
}

function noMatch(job: Wanted, agents: readonly AgentView[]): Condition {
  const lacks = agents.map((view) => ({ view, unmet: fits(job, view.advertisement) }))
  const refusing = lacks.filter(({ unmet }) => unmet.every(isPolicy))
  if (refusing.length > 0) return refused(refusing)
  const imageless = lacks.find(({ unmet }) =>
    unmet.every(({ requirement }) => requirement === IMAGE)
  )
  if (imageless !== undefined) return withoutImage(imageless)
  // An agent that is gone is a poor hint: it counts only among those that lack equally little.
  lacks.sort(
    (a, b) =>
      a.unmet.length - b.unmet.length || Number(!takesJobs(a.view)) - Number(!takesJobs(b.view))
  )
  const best = lacks[0]
  const { peerId, name } = best?.view.advertisement ?? { peerId: '', name: '' }
  const unmet = best?.unmet ?? []
  if (isForbidden(job, lacks)) {
    const line =
      `no host offers ${job.spec.platform} natively and the job forbids emulation; ` +
      'it will not resolve by itself'
    return { kind: 'no_match', line, resolves: false, closest: { peerId, name, unmet }, ahead: 0 }
  }
  const lacking = unmet.filter((each) => !isPolicy(each))
  const wants = lacking.map((each) => phrase(each, each.wanted)).join(', ')
  const offers = lacking.map((each) => phrase(each, each.offered)).join(', ')
  const owner = lacking.length < unmet.length ? `; its owner does not take ${refusals(unmet)}` : ''
  const line =
    `no agent fits; closest is ${name} with ${offers}, but the job needs ${wants}${owner}; ` +
    'it will not resolve by itself'
  return { kind: 'no_match', line, resolves: false, closest: { peerId, name, unmet }, ahead: 0 }
}

interface Lacking {
  readonly view: AgentView
  readonly unmet: readonly Unmet[]
}

/** Only the owners of hosts stand in the way: whoever reads it knows whom to ask. */
function refused(refusing: readonly Lacking[]): Condition {
  const names = refusing.map(({ view, unmet }) => {
    return `${view.advertisement.name} does not take ${refusals(unmet)}`
  })
  const whose = names.length === 1 ? "its owner's policy" : "their owners' policies"
  const line = `no agent takes it: ${listed(names)} (${whose}); it will not resolve by itself`
  const [first] = refusing
  const { peerId, name } = first?.view.advertisement ?? { peerId: '', name: '' }
  const closest = { peerId, name, unmet: first?.unmet ?? [] }
  return { kind: 'no_match', line, resolves: false, closest, ahead: 0 }
}

function isPolicy({ requirement }: Unmet): boolean {
  return requirement === POLICY
}

function refusals(unmet: readonly Unmet[]): string {
  return unmet
    .filter(isPolicy)
    .map(({ wanted }) => wanted)
    .join(' and ')
}

/** Only the image is in the way: no host can be set up for what its registry does not have. */
function withoutImage({ view, unmet }: Lacking): Condition {
  const { name, peerId } = view.advertisement
  const each = unmet.map(({ wanted, offered }) => `image ${wanted}: it is there for ${offered}`)
  const line =
    `no agent that fits can have ${each.join(', nor ')} (asked by ${name}); ` +
    'it will not resolve by itself'
  return { kind: 'no_match', line, resolves: false, closest: { peerId, name, unmet }, ahead: 0 }
}

/** True where the job would fit somewhere, but for its word on emulation. */
function isForbidden(job: Wanted, lacks: readonly Lacking[]): boolean {
  const isOffered = ({ unmet }: Lacking): boolean =>
    unmet.every(({ requirement }) => requirement !== 'platform')
  if (lacks.some(isOffered)) return false
  const allowing = { ...job, spec: { ...job.spec, emulation: 'allow' } } as const
  return lacks.some(({ view }) => fits(allowing, view.advertisement).length === 0)
}

function unavailable(fitting: readonly AgentView[]): Condition {
  const states = fitting.map(stateOf)
  // Who paused, drained or stopped an agent must undo it; the rest passes.
  const resolves = fitting.some(({ observed, advertisement }) => {
    if (observed === 'idle' || observed === 'busy') return advertisement.closing !== undefined
    return observed === 'starting' || observed === 'suspect'
  })
  const outlook = resolves ? 'it starts when one is back' : 'it will not resolve by itself'
  const line = `no agent that fits takes jobs: ${listed(states)}; ${outlook}`
  return { kind: 'unavailable', line, resolves, closest: undefined, ahead: 0 }
}

function awaiting(
  job: QueuedJob,
  fitting: readonly AgentView[],
  open: readonly AgentView[],
  ahead: number
): Condition {
  const common = { resolves: true, closest: undefined, ahead }
  const free = open.filter((view) => isCandidate(job, view))
  if (free.length > 0) {
    const names = listed(free.map((view) => view.advertisement.name))
    const line = `a claim is due from ${names}${ahead > 0 ? `, ${aheadText(ahead)}` : ''}`
    return { kind: 'awaiting_claim', line, ...common }
  }
  const closed = fitting.filter((view) => !takesJobs(view)).map(stateOf)
  const names = listed(open.map((view) => view.advertisement.name))
  const others = closed.length > 0 ? `, ${listed(closed)}` : ''
  const line = `no room on ${names}${others}; ${aheadText(ahead)}, it starts when room is free`
  return { kind: 'no_capacity', line, ...common }
}

function stateOf({ advertisement, observed }: AgentView): string {
  const { name, closing } = advertisement
  const isUp = observed === 'idle' || observed === 'busy'
  return `${name} is ${isUp && closing !== undefined ? `closed (${closing.text})` : observed}`
}

function countAhead(
  job: QueuedJob,
  open: readonly AgentView[],
  queue: readonly QueuedJob[]
): number {
  let ahead = 0
  for (const older of queue.slice(0, QUEUE_AHEAD_MAX)) {
    if (older.jobId === job.jobId) break
    if (open.some((view) => fits(older, view.advertisement).length === 0)) ahead += 1
  }
  return ahead
}

function aheadText(ahead: number): string {
  if (ahead >= QUEUE_AHEAD_MAX) return `${QUEUE_AHEAD_MAX} or more jobs ahead`
  return `${ahead} ${ahead === 1 ? 'job' : 'jobs'} ahead`
}

function phrase(unmet: Unmet, value: string): string {
  const label = /^label (.*)$/.exec(unmet.requirement)?.[1]
  if (label === undefined) return `${unmet.requirement} ${value}`
  return value === 'none' ? `no ${label}` : `${label}=${value}`
}

const NAMED_MAX = 3

function listed(items: readonly string[]): string {
  if (items.length <= NAMED_MAX) return items.join(', ')
  return `${items.slice(0, NAMED_MAX).join(', ')} and ${items.length - NAMED_MAX} more`
}
