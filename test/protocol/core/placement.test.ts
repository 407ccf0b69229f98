import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  ISOLATION_LEVELS,
  type Isolation,
  type IsolationLevel
} from '../../../protocol/core/isolation.ts'
import { claimWaitMs, isCandidate, rankOf, unitOf } from '../../../protocol/core/placement.ts'
import {
  arbitraryAgents,
  arbitrarySpec,
  GIB,
  SAMPLE_ORIGIN,
  sampleSpec,
  sampleView
} from '../../support/arbitrary-board.ts'
import { plainDigest } from '../../support/plain-digest.ts'
import { rankedAgents } from '../../support/ranked-agents.ts'

const digest = plainDigest()
const placing = (jobId: string, lastHolder?: string) => ({
  jobId,
  spec: sampleSpec(),
  trust: 'trusted' as const,
  origin: SAMPLE_ORIGIN,
  lastHolder
})
const NOTHING: Isolation = { offered: 'runc', required: undefined }
const rankOfLevel = (level: IsolationLevel): number => ISOLATION_LEVELS.indexOf(level)
const FULL = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, jobs: 0 }

test('agents that lack a requirement, room or an open state have no rank', () => {
  const agents = [
    sampleView({ peerId: 'fits' }),
    sampleView({ peerId: 'full', free: FULL }),
    sampleView({ peerId: 'other', platforms: [] }),
    sampleView({ peerId: 'paused', state: 'paused' }),
    sampleView({ peerId: 'draining', state: 'draining' }),
    sampleView({ peerId: 'starting', state: 'starting' }),
    sampleView({ peerId: 'suspect' }, { silentMs: 50_000 }),
    sampleView({ peerId: 'cut off' }, { link: 'down' }),
    sampleView({ peerId: 'gone', leaving: true })
  ]
  expect(rankedAgents(placing('R.0'), agents, digest)).toEqual(['fits'])
  expect(rankOf('fits', placing('R.0'), agents, digest)).toBe(0)
  expect(rankOf('full', placing('R.0'), agents, digest)).toBeUndefined()
})

test('all agents agree on the order, in whatever order they learned of each other', () => {
  fc.assert(
    fc.property(arbitrarySpec, arbitraryAgents, fc.string(), (spec, agents, jobId) => {
      const job = { ...placing(jobId), spec }
      const order = rankedAgents(job, agents, digest)
      // Nobody shares a place, and none is left free: whoever waits for the ones before it is next.
      const ranks = order.map((peerId) => rankOf(peerId, job, agents, digest))
      expect(ranks).toEqual(order.map((_, place) => place))
      expect(rankedAgents(job, agents.toReversed(), digest)).toEqual(order)

      const candidates = agents.filter((view) => isCandidate(job, view))
      expect(order.toSorted()).toEqual(candidates.map((v) => v.advertisement.peerId).toSorted())
    })
  )
})

test('no job is claimed where it would be kept apart by less than it or the owner asks', () => {
  const jobs = fc.tuple(arbitrarySpec, fc.constantFrom('trusted', 'untrusted'))
  fc.assert(
    fc.property(jobs, arbitraryAgents, ([spec, trust], agents) => {
      const job = { ...placing('R.0'), spec, trust }
      for (const peerId of rankedAgents(job, agents, digest)) {
        const view = agents.find(({ advertisement }) => advertisement.peerId === peerId)
        const { offered, levels = [], required } = view?.advertisement.isolation ?? NOTHING
        const best = Math.max(...[offered, ...levels].map(rankOfLevel))
        const owners = trust === 'untrusted' ? (required ?? 'runc') : 'runc'
        expect(best).toBeGreaterThanOrEqual(rankOfLevel(spec.isolation ?? 'runc'))
        expect(best).toBeGreaterThanOrEqual(rankOfLevel(owners))
      }
    })
  )
})

test('an agent that leaves changes the order of no other', () => {
  fc.assert(
    fc.property(arbitraryAgents, fc.nat(7), fc.string(), (agents, gone, jobId) => {
      const order = rankedAgents(placing(jobId), agents, digest)
      const left = agents.filter((_, index) => index !== gone)
      const expected = order.filter((peer) => left.some((v) => v.advertisement.peerId === peer))
      expect(rankedAgents(placing(jobId), left, digest)).toEqual(expected)
    })
  )
})

const shareOfFirst = (agents: readonly ReturnType<typeof sampleView>[], first: string) => {
  const jobs = Array.from({ length: 2_000 }, (_, index) => placing(`R${index}.0`))
  return jobs.filter((job) => rankOf(first, job, agents, digest) === 0).length / jobs.length
}

test('equal agents get equal shares', () => {
  const agents = ['a', 'b', 'c', 'd'].map((peerId) => sampleView({ peerId }))
  for (const peerId of ['a', 'b', 'c', 'd']) {
    const share = shareOfFirst(agents, peerId)
    expect(share).toBeGreaterThan(0.21)
    expect(share).toBeLessThan(0.29)
  }
})

test('an agent with three times the room gets three quarters', () => {
  const size = { cpuMilli: 64_000, memoryBytes: 64 * GIB, diskBytes: 640 * GIB }
  const room = (jobs: number) => ({ ...size, jobs })
  const agents = [
    sampleView({ peerId: 'large', capacity: room(9), free: room(9) }),
    sampleView({ peerId: 'small', capacity: room(3), free: room(3) })
  ]
  const share = shareOfFirst(agents, 'large')
  expect(share).toBeGreaterThan(0.71)
  expect(share).toBeLessThan(0.79)
})

test('the last holder comes last, and still comes', () => {
  const agents = ['a', 'b', 'c'].map((peerId) => sampleView({ peerId }))
  for (const lost of ['a', 'b', 'c']) {
    const order = rankedAgents(placing('R.0', lost), agents, digest)
    expect(order.at(-1)).toBe(lost)
    expect(order).toHaveLength(3)
  }
})

test('the first does not wait; the others wait by rank, each a step and a jitter', () => {
  expect(claimWaitMs(0, 150, 0.9)).toBe(0)
  expect(claimWaitMs(1, 150, 0)).toBe(150)
  expect(claimWaitMs(3, 150, 0.5)).toBe(525)
  expect(claimWaitMs(8, 150, 0)).toBe(1_200)
})

test('behind the eighth no more than eight agents try in one step, whatever the mesh', () => {
  const waits = Array.from({ length: 1_000 }, (_, rank) => claimWaitMs(rank, 150, 0))
  for (const [rank, waitMs] of waits.entries()) {
    const inStep = waits.filter((other) => other >= waitMs && other < waitMs + 150)
    expect(inStep.length).toBeLessThanOrEqual(8)
    expect(waitMs).toBeGreaterThanOrEqual(waits[rank - 1] ?? 0)
  }
  // And each has its turn within half a minute: nothing waits for ever for those before it.
  expect(waits.at(-1)).toBeLessThan(20_000)
})

test('no digest gives 0 or 1, whose logarithms have no order', () => {
  for (const hex of ['0'.repeat(64), 'f'.repeat(64), '8'.repeat(64)]) {
    const unit = unitOf(hex)
    expect(unit).toBeGreaterThan(0)
    expect(unit).toBeLessThan(1)
    expect(Number.isFinite(-1 / Math.log(unit))).toBe(true)
  }
})
