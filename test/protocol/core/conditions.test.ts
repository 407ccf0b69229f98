import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Condition, conditionOf, type QueuedJob } from '../../../protocol/core/conditions.ts'
import type { HostPolicy } from '../../../protocol/core/host-policy.ts'
import { QUEUE_AHEAD_MAX } from '../../../protocol/core/limits.ts'
import type { JobSpec } from '../../../protocol/core/run.ts'
import {
  arbitraryAgents,
  arbitrarySpec,
  GIB,
  SAMPLE_ORIGIN,
  sampleSpec,
  sampleView
} from '../../support/arbitrary-board.ts'

const job = (patch: Partial<JobSpec> = {}, jobId = 'R.0'): QueuedJob => {
  return { jobId, spec: sampleSpec(patch), trust: 'trusted', origin: SAMPLE_ORIGIN }
}
const FULL = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, jobs: 0 }
const onyx = sampleView({ peerId: 'p1', name: 'onyx', labels: { gpu: 'a4000' } })
const basalt = sampleView({ peerId: 'p2', name: 'basalt', state: 'busy', free: FULL })

test('without any agent it says so and how to start one', () => {
  expect(conditionOf(job(), [], [])).toEqual<Condition>({
    kind: 'no_agent',
    line: 'no agent is known; it will not resolve by itself: start one with `agent start`',
    resolves: false,
    closest: undefined,
    ahead: 0
  })
})

test('where no agent fits it names the closest and what that one lacks', () => {
  const condition = conditionOf(job({ labels: { gpu: 'h100' } }), [basalt, onyx], [])
  expect(condition).toMatchObject({ kind: 'no_match', resolves: false })
  expect(condition.line).toBe(
    'no agent fits; closest is basalt with no gpu, but the job needs gpu=h100; ' +
      'it will not resolve by itself'
  )
})

test('a job that only emulators could run is told that it forbids them', () => {
  const platforms = [
    { name: 'linux/amd64', native: true },
    { name: 'linux/riscv64', native: false }
  ]
  const spec = { platform: 'linux/riscv64', emulation: 'forbid' } as const
  const able = sampleView({ platforms })

  expect(conditionOf(job(spec), [able], []).line).toBe(
    'no host offers linux/riscv64 natively and the job forbids emulation; ' +
      'it will not resolve by itself'
  )
  expect(conditionOf(job({ ...spec, emulation: 'allow' }), [able], []).kind).toBe('awaiting_claim')
  // Where it would not fit anyway, the closest agent says more.
  const small = sampleView({ platforms, labels: {} })
  const wanted = { ...spec, labels: { gpu: 'h100' } }
  expect(conditionOf(job(wanted), [small], []).line).toContain('but the job needs platform ')
})

test('the closest is the agent that lacks the fewest requirements', () => {
  const spec = { platform: 'linux/riscv64', labels: { gpu: 'h100' } }
  const pumice = sampleView({
    peerId: 'p3',
    name: 'pumice',
    platforms: [{ name: 'linux/riscv64', native: true }],
    labels: { gpu: 'v100' }
  })
  const condition = conditionOf(job(spec), [onyx, pumice], [])
  expect(condition.closest).toEqual({
    peerId: 'p3',
    name: 'pumice',
    unmet: [{ requirement: 'label gpu', wanted: 'h100', offered: 'v100' }]
  })
})

test('a living agent is a closer match than an offline one that lacks as much', () => {
  const offline = sampleView({ peerId: 'p0', name: 'aaa' }, { silentMs: 200_000 })
  const condition = conditionOf(job({ platform: 'linux/arm64' }), [offline, onyx], [])
  expect(condition.closest?.name).toBe('onyx')
})

test.each([
  ['platform', { platform: 'linux/riscv64' }, 'platform linux/amd64', 'platform linux/riscv64'],
  ['cores', { resources: { cpuMilli: 64_000, memoryBytes: 1 } }, 'cpu 4', 'cpu 64'],
  ['memory', { resources: { cpuMilli: 1, memoryBytes: 64 * GIB } }, 'memory 8GiB', 'memory 64GiB']
])('an unmet %s is said in its own unit', (_what, patch, offers, wants) => {
  expect(conditionOf(job(patch), [onyx], []).line).toContain(
    `closest is onyx with ${offers}, but the job needs ${wants};`
  )
})

test.each([
  ['paused', sampleView({ name: 'onyx', state: 'paused' }), false],
  ['draining', sampleView({ name: 'onyx', state: 'draining' }), false],
  ['offline', sampleView({ name: 'onyx' }, { silentMs: 200_000 }), false],
  ['starting', sampleView({ name: 'onyx', state: 'starting' }), true],
  ['suspect', sampleView({ name: 'onyx' }, { link: 'down' }), true]
])('the only agent that fits is %s', (state, view, resolves) => {
  const condition = conditionOf(job(), [view], [])
  expect(condition).toMatchObject({ kind: 'unavailable', resolves })
  expect(condition.line).toBe(
    `no agent that fits takes jobs: onyx is ${state}; ` +
      (resolves ? 'it starts when one is back' : 'it will not resolve by itself')
  )
})

test('where all that fit are taken it says how many jobs are ahead', () => {
  const draining = sampleView({ peerId: 'p4', name: 'pumice', state: 'draining' })
  const queue = [job({}, 'Q.0'), job({ labels: { gpu: 'h100' } }, 'Q.1'), job({}, 'Q.2'), job()]
  const condition = conditionOf(job(), [basalt, draining], queue)
  expect(condition).toMatchObject({ kind: 'no_capacity', resolves: true, ahead: 2 })
  expect(condition.line).toBe(
    'no room on basalt, pumice is draining; 2 jobs ahead, it starts when room is free'
  )
})

test('jobs behind it, and jobs that none of its agents could run, are not ahead', () => {
  const queue = [job({ platform: 'linux/arm64' }, 'Q.0'), job(), job({}, 'Q.1')]
  expect(conditionOf(job(), [basalt], queue).ahead).toBe(0)
})

test('a long queue is counted up to a limit', () => {
  const queue = Array.from({ length: QUEUE_AHEAD_MAX + 5 }, (_, index) => job({}, `Q.${index}`))
  const condition = conditionOf(job(), [basalt], queue)
  expect(condition.ahead).toBe(QUEUE_AHEAD_MAX)
  expect(condition.line).toContain('1000 or more jobs ahead')
})

test('where an agent has room a claim is due', () => {
  const condition = conditionOf(job(), [onyx, basalt], [job()])
  expect(condition).toMatchObject({ kind: 'awaiting_claim', resolves: true })
  expect(condition.line).toBe('a claim is due from onyx')
})

test('a line names three agents and counts the rest', () => {
  const agents = ['a', 'b', 'c', 'd', 'e'].map((name) => sampleView({ peerId: name, name }))
  expect(conditionOf(job(), agents, []).line).toBe('a claim is due from a, b, c and 2 more')
})

test('every job among any agents gets one line that ends in what will happen', () => {
  fc.assert(
    fc.property(arbitrarySpec, arbitraryAgents, (spec, agents) => {
      const { kind, line, resolves, closest } = conditionOf(job(spec), agents, [])
      expect(line).toMatch(/^[^\n]+$/)
      expect(line.includes('it will not resolve by itself')).toBe(!resolves)
      expect(closest !== undefined).toBe(kind === 'no_match')
      expect(closest?.unmet.length).not.toBe(0)
    })
  )
})

test('where an owner wants more for untrusted jobs than the engine gives, the line says so', () => {
  const isolation = { offered: 'runc', required: 'gvisor' } as const
  const agents = [sampleView({ name: 'onyx', isolation })]

  expect(conditionOf({ ...job(), trust: 'untrusted' }, agents, [])).toMatchObject({
    kind: 'no_match',
    line:
      'no agent fits; closest is onyx with isolation runc, but the job needs isolation gvisor ' +
      "(asked of untrusted jobs by the agent's owner); it will not resolve by itself"
  })
  expect(conditionOf(job(), agents, []).kind).toBe('awaiting_claim')
})

const POLICY: HostPolicy = {
  repositories: [],
  refs: [],
  events: [],
  authors: [],
  images: [],
  registries: [],
  pinned: false,
  trustedOnly: false
}

test('where only the owners of hosts stand in the way it says whose policy refuses what', () => {
  const others = sampleView({ name: 'onyx', policy: { ...POLICY, repositories: ['other/*'] } })
  const [trusting, waits] = [
    sampleView({ name: 'basalt', policy: { ...POLICY, trustedOnly: true, refs: ['release/*'] } }),
    { ...job(), trust: 'untrusted' } as const
  ]
  expect(conditionOf(job(), [others], [])).toMatchObject({ kind: 'no_match', resolves: false })
  expect(conditionOf(job(), [others], []).line).toBe(
    "no agent takes it: onyx does not take repository team/kernel (its owner's policy); " +
      'it will not resolve by itself'
  )
  expect(conditionOf(waits, [others, trusting], []).line).toBe(
    'no agent takes it: onyx does not take repository team/kernel, basalt does not take ' +
      "ref refs/heads/main and untrusted runs (their owners' policies); it will not resolve by itself"
  )
  expect(conditionOf(job(), [others, sampleView({ name: 'quartz' })], []).kind).toBe(
    'awaiting_claim'
  )
})

test('an agent that lacks something and whose owner refuses the job says both', () => {
  const view = sampleView({ name: 'onyx', policy: { ...POLICY, registries: ['quay.io'] } })
  expect(conditionOf(job({ labels: { gpu: 'h100' } }), [view], []).line).toBe(
    'no agent fits; closest is onyx with no gpu, but the job needs gpu=h100; its owner does not ' +
      'take registry docker.io; it will not resolve by itself'
  )
})

test('a host that is closed says why, and that it passes', () => {
  const closing = { by: 'hours', text: "its owner's hours begin Mon 20:00 (UTC)" } as const
  const closed = sampleView({ name: 'onyx', closing })
  expect(conditionOf(job(), [closed], [])).toMatchObject({ kind: 'unavailable', resolves: true })
  expect(conditionOf(job(), [closed], []).line).toBe(
    "no agent that fits takes jobs: onyx is closed (its owner's hours begin Mon 20:00 (UTC)); " +
      'it starts when one is back'
  )
  const gone = sampleView({ name: 'onyx', closing, leaving: true })
  expect(conditionOf(job(), [gone], [])).toMatchObject({ resolves: false })
  expect(conditionOf(job(), [gone], []).line).toContain('onyx is offline')
})
