/** What an agent says of itself; observers add two states, for display and placement only. */
export type AgentState = 'starting' | 'idle' | 'busy' | 'paused' | 'draining'
export type ObservedState = AgentState | 'suspect' | 'offline'

/** An agent's state with what decides the next one. */
export interface AgentLife {
  readonly state: AgentState
  /** The host has been probed. */
  readonly probed: boolean
  /** A quorum of witnesses has answered since the start. */
  readonly quorum: boolean
  /** Ids of the jobs held. */
  readonly jobs: ReadonlySet<string>
}

export type AgentEvent =
  | { readonly kind: 'probed' }
  | { readonly kind: 'quorum_answered' }
  | { readonly kind: 'job_taken'; readonly jobId: string }
  | { readonly kind: 'job_ended'; readonly jobId: string }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'drain' }

/** `work`: starting until probed and answered by a quorum, then idle or busy by the jobs held. */
type Target = 'work' | 'paused' | 'draining'

/**
 * Every state under every event (decision 12). A job may be taken in any state: a claim that was on
 * its way when the order came is held, and must be shown and waited for. Draining is the stronger
 * order; only `resume` ends one.
 */
export const TRANSITIONS: Readonly<
  Record<AgentState, Readonly<Record<AgentEvent['kind'], Target>>>
> = {
  starting: {
    probed: 'work',
    quorum_answered: 'work',
    job_taken: 'work',
    job_ended: 'work',
    pause: 'paused',
    resume: 'work',
    drain: 'draining'
  },
  idle: {
    probed: 'work',
    quorum_answered: 'work',
    job_taken: 'work',
    job_ended: 'work',
    pause: 'paused',
    resume: 'work',
    drain: 'draining'
  },
  busy: {
    probed: 'work',
    quorum_answered: 'work',
    job_taken: 'work',
    job_ended: 'work',
    pause: 'paused',
    resume: 'work',
    drain: 'draining'
  },
  paused: {
    probed: 'paused',
    quorum_answered: 'paused',
    job_taken: 'paused',
    job_ended: 'paused',
    pause: 'paused',
    resume: 'work',
    drain: 'draining'
  },
  draining: {
    probed: 'draining',
    quorum_answered: 'draining',
    job_taken: 'draining',
    job_ended: 'draining',
    pause: 'draining',
    resume: 'work',
    drain: 'draining'
  }
}

export const AGENT_BORN: AgentLife = {
  state: 'starting',
  probed: false,
  quorum: false,
  jobs: new Set()
}

/** The same object where the event changes nothing, so that the shell advertises changes only. */
export function reduceAgent(life: AgentLife, event: AgentEvent): AgentLife {
  const facts = learn(life, event)
  const target = TRANSITIONS[life.state][event.kind]
  const state = target === 'work' ? workState(facts) : target
  return facts === life && state === life.state ? life : { ...facts, state }
}

/** True while new jobs may be claimed. */
export function mayClaim(life: AgentLife): boolean {
  return life.state === 'idle' || life.state === 'busy'
}

/** True once a draining agent holds nothing: its process may end. */
export function isDrained(life: AgentLife): boolean {
  return life.state === 'draining' && life.jobs.size === 0
}

function workState(life: AgentLife): AgentState {
  if (!life.probed || !life.quorum) return 'starting'
  return life.jobs.size === 0 ? 'idle' : 'busy'
}

function learn(life: AgentLife, event: AgentEvent): AgentLife {
  switch (event.kind) {
    case 'probed':
      return life.probed ? life : { ...life, probed: true }
    case 'quorum_answered':
      return life.quorum ? life : { ...life, quorum: true }
    case 'job_taken':
      if (life.jobs.has(event.jobId)) return life
      return { ...life, jobs: new Set(life.jobs).add(event.jobId) }
    case 'job_ended':
      if (!life.jobs.has(event.jobId)) return life
      return { ...life, jobs: new Set([...life.jobs].filter((id) => id !== event.jobId)) }
    case 'pause':
    case 'resume':
    case 'drain':
      return life
    default:
      return event satisfies never
  }
}
