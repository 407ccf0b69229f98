import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  AGENT_BORN,
  type AgentEvent,
  type AgentLife,
  type AgentState,
  isDrained,
  mayClaim,
  reduceAgent,
  TRANSITIONS
} from '../../../protocol/core/agent-state.ts'

const after = (events: readonly AgentEvent[], from: AgentLife = AGENT_BORN) =>
  events.reduce(reduceAgent, from)

const READY: readonly AgentEvent[] = [{ kind: 'probed' }, { kind: 'quorum_answered' }]
const TAKE: AgentEvent = { kind: 'job_taken', jobId: 'R.0' }
const END: AgentEvent = { kind: 'job_ended', jobId: 'R.0' }

/** One life in each state, holding no job but where the state means one. */
const IN_STATE: Readonly<Record<AgentState, AgentLife>> = {
  starting: AGENT_BORN,
  idle: after(READY),
  busy: after([...READY, TAKE]),
  paused: after([...READY, { kind: 'pause' }]),
  draining: after([...READY, { kind: 'drain' }])
}

const ROWS: readonly (readonly [AgentState, AgentEvent['kind'], AgentState])[] = [
  ['starting', 'probed', 'starting'],
  ['starting', 'quorum_answered', 'starting'],
  ['starting', 'job_taken', 'starting'],
  ['starting', 'job_ended', 'starting'],
  ['starting', 'pause', 'paused'],
  ['starting', 'resume', 'starting'],
  ['starting', 'drain', 'draining'],
  ['idle', 'probed', 'idle'],
  ['idle', 'quorum_answered', 'idle'],
  ['idle', 'job_taken', 'busy'],
  ['idle', 'job_ended', 'idle'],
  ['idle', 'pause', 'paused'],
  ['idle', 'resume', 'idle'],
  ['idle', 'drain', 'draining'],
  ['busy', 'probed', 'busy'],
  ['busy', 'quorum_answered', 'busy'],
  ['busy', 'job_taken', 'busy'],
  ['busy', 'job_ended', 'idle'],
  ['busy', 'pause', 'paused'],
  ['busy', 'resume', 'busy'],
  ['busy', 'drain', 'draining'],
  ['paused', 'probed', 'paused'],
  ['paused', 'quorum_answered', 'paused'],
  ['paused', 'job_taken', 'paused'],
  ['paused', 'job_ended', 'paused'],
  ['paused', 'pause', 'paused'],
  ['paused', 'resume', 'idle'],
  ['paused', 'drain', 'draining'],
  ['draining', 'probed', 'draining'],
  ['draining', 'quorum_answered', 'draining'],
  ['draining', 'job_taken', 'draining'],
  ['draining', 'job_ended', 'draining'],
  ['draining', 'pause', 'draining'],
  ['draining', 'resume', 'idle'],
  ['draining', 'drain', 'draining']
]

test.each(ROWS)('%s under %s is %s', (state, kind, next) => {
  const life = IN_STATE[state]
  expect(life.state).toBe(state)

  const event = kind === 'job_taken' || kind === 'job_ended' ? { kind, jobId: 'R.0' } : { kind }

  expect(reduceAgent(life, event).state).toBe(next)
})

test('the table has a row for every state and event', () => {
  const known = Object.entries(TRANSITIONS).flatMap(([state, events]) =>
    Object.keys(events).map((kind) => `${state} ${kind}`)
  )
  expect(ROWS.map(([state, kind]) => `${state} ${kind}`).sort()).toEqual(known.sort())
})

test('an agent starts only when its host is probed and a quorum answered, in either order', () => {
  expect(after([{ kind: 'probed' }]).state).toBe('starting')
  expect(after([{ kind: 'quorum_answered' }]).state).toBe('starting')
  expect(after(READY).state).toBe('idle')
  expect(after(READY.toReversed()).state).toBe('idle')
})

test('an agent that held a job before it was ready turns busy, never idle', () => {
  expect(after([TAKE, ...READY]).state).toBe('busy')
})

test('an agent paused before it was ready goes on starting when it is resumed', () => {
  expect(after([{ kind: 'pause' }, { kind: 'resume' }]).state).toBe('starting')
  expect(after([{ kind: 'pause' }, ...READY, { kind: 'resume' }]).state).toBe('idle')
})

test('a draining agent is drained once its last job has ended, however late it was claimed', () => {
  const draining = after([...READY, TAKE, { kind: 'drain' }, { kind: 'job_taken', jobId: 'S.0' }])
  expect(isDrained(draining)).toBe(false)
  expect(isDrained(after([END], draining))).toBe(false)
  expect(isDrained(after([END, { kind: 'job_ended', jobId: 'S.0' }], draining))).toBe(true)
  expect(isDrained(after(READY))).toBe(false)
})

test('an event that changes nothing gives the same object', () => {
  const busy = IN_STATE.busy
  expect(reduceAgent(busy, TAKE)).toBe(busy)
  expect(reduceAgent(busy, { kind: 'probed' })).toBe(busy)
  expect(reduceAgent(busy, { kind: 'job_ended', jobId: 'other' })).toBe(busy)
})

const orders = fc.constantFrom('probed', 'quorum_answered', 'pause', 'resume', 'drain')
const arbitraryEvents: fc.Arbitrary<readonly AgentEvent[]> = fc.array(
  fc.oneof(
    orders.map((kind) => ({ kind }) as AgentEvent),
    fc.record({
      kind: fc.constantFrom('job_taken', 'job_ended'),
      jobId: fc.constantFrom('R.0', 'R.1', 'S.0')
    })
  ),
  { maxLength: 30 }
)

test('whatever happens, only a ready agent without an order claims, and busy means jobs', () => {
  fc.assert(
    fc.property(arbitraryEvents, (events) => {
      let life = AGENT_BORN
      for (const event of events) {
        life = reduceAgent(life, event)

        const { state, probed, quorum, jobs } = life
        const work = jobs.size === 0 ? 'idle' : 'busy'
        expect(['paused', 'draining', probed && quorum ? work : 'starting']).toContain(state)
        expect(mayClaim(life)).toBe(state === work)
        expect(event.kind !== 'drain' || state === 'draining').toBe(true)
      }
    }),
    { numRuns: 500 }
  )
})
