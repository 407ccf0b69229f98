import { describe, expect, test } from 'vitest'
import type { BoardJob } from '../../../protocol/core/board-job.ts'
import type { JobState } from '../../../protocol/core/job.ts'
import type { AgentView } from '../../../protocol/core/observation.ts'
import { reasonOf, whyOf } from '../../../protocol/core/why.ts'
import { SAMPLE_ORIGIN, SampleJob, sampleSpec, sampleView } from '../../support/arbitrary-board.ts'

const agents = [
  sampleView({ peerId: 'p1', name: 'onyx' }),
  sampleView({ peerId: 'p2', name: 'basalt' })
]
const view = {
  agents,
  queue: [],
  turns: { holdOf: () => undefined },
  board: { shortId: (jobId: string) => jobId },
  wallMs: 0
}

function boardJob(state: JobState | undefined): BoardJob {
  return {
    jobId: 'R.0',
    runId: 'R',
    spec: sampleSpec(),
    issuedAtMs: 0,
    trust: 'trusted',
    origin: SAMPLE_ORIGIN,
    state,
    witnessEpoch: 1,
    stage: undefined,
    changedAtMs: 0,
    holderSinceMs: undefined
  }
}

const why = (state: JobState | undefined, seen = view) => whyOf(boardJob(state), seen)

test('a queued job says why it is queued, its register created or not', () => {
  const line = 'a claim is due from onyx, basalt'
  expect(why(undefined)).toBe(line)
  expect(why(new SampleJob('R.0').state)).toBe(line)
})

test('a job that was given back says by whom and why', () => {
  const job = new SampleJob('R.0')
  job.claim('p1')
  expect(why(job.release(false))).toContain('; given back by onyx (image_unavailable)')
})

test('a running job has nothing to explain', () => {
  expect(why(new SampleJob('R.0').claim('p1'))).toBe('')
})

test('a job that runs under an emulator says so, and how much more time it has', () => {
  const platforms = [
    { name: 'linux/amd64', native: true },
    { name: 'linux/arm64/v8', native: false }
  ]
  const seen = { ...view, agents: [sampleView({ peerId: 'p1', name: 'onyx', platforms })] }
  const held = boardJob(new SampleJob('R.0').claim('p1'))
  const on = (platform: string | undefined) => {
    return whyOf({ ...held, spec: sampleSpec({ platform }) }, seen)
  }
  expect(on('linux/arm64')).toBe('onyx emulates linux/arm64: its timeouts are 5 times as long')
  expect([on('linux/amd64'), on(undefined)]).toEqual(['', ''])
})

test('a job that was taken over says from whom', () => {
  const job = new SampleJob('R.0')
  job.claim('p1')
  const taken = job.claim('p2')
  const line = 'attempt 2 of 3: taken over from onyx (agent_lost)'
  expect([why(taken), reasonOf(taken)]).toEqual([line, 'agent_lost'])

  const done = job.complete('succeeded', 'all steps passed')
  expect([why(done), reasonOf(done)]).toEqual([line, done.outcome?.reason])
})

test('the reason of a job is its outcome, and none while a first attempt runs', () => {
  const job = new SampleJob('R.0')
  expect(reasonOf(undefined)).toBeUndefined()
  expect(reasonOf(job.claim('p1'))).toBeUndefined()
  const failed = job.complete('failed', 'step "eslint" exited 1')
  expect(reasonOf(failed)).toBe(failed.outcome?.reason)
})

test('a job claimed again after it was given back says so', () => {
  const job = new SampleJob('R.0')
  job.claim('unknown peer')
  job.release(true)
  expect(why(job.claim('p2'))).toBe('given back by unknown peer before')
})

describe('a job whose holder is silent says', () => {
  const silent = sampleView({ peerId: 'p1', name: 'onyx' }, { silentMs: 60_000 })
  const other = sampleView({ peerId: 'p2', name: 'basalt' })
  const line = (job: SampleJob, ...agents: readonly AgentView[]): string =>
    why(job.claim('p1'), { ...view, agents: [silent, ...agents] })

  test('that it will be taken over, where another agent fits', () => {
    expect(line(new SampleJob('R.0'), other)).toBe(
      'onyx is suspect; another agent takes over when its lease ends'
    )
  })

  test('that it waits for such an agent, where none fits', () => {
    const unlike = sampleView({ peerId: 'p2', name: 'basalt', platforms: [] })

    for (const agents of [[], [unlike]]) {
      expect(line(new SampleJob('R.0'), ...agents)).toBe(
        'onyx is suspect; no other agent fits, so the job waits for one'
      )
    }
  })

  test('that it ends, where that was its last attempt', () => {
    const job = new SampleJob('R.0')
    job.claim('p3')

    expect(line(job, other)).toBe('onyx is suspect; its last attempt: the job ends with its lease')
  })
})

test('a job that was lost before it was given back is still one that lost an agent', () => {
  const job = new SampleJob('R.0')
  job.claim('p1')
  job.claim('p2')
  job.release(true)
  const again = job.claim('p3')

  expect(reasonOf(again)).toBe('agent_lost')
  expect(why(again)).toBe(
    'given back by basalt before; attempt 3 of 3: taken over from onyx (agent_lost)'
  )
})

test('a job that is asked to stop says so until it has', () => {
  const job = new SampleJob('R.0')
  job.claim('p1')
  expect(why(job.apply('x', { kind: 'cancel', reason: 'a newer push' }))).toBe(
    'cancel asked for: a newer push'
  )
})

test('an ended job gives its message, a succeeded one needs none', () => {
  const failed = new SampleJob('R.0')
  failed.claim('p1')
  expect(why(failed.complete('failed', 'step "eslint" exited 1'))).toBe('step "eslint" exited 1')

  const succeeded = new SampleJob('R.0')
  succeeded.claim('p1')
  expect(why(succeeded.complete('succeeded', 'all steps passed'))).toBe('')

  const cancelled = new SampleJob('R.0')
  expect(why(cancelled.apply('x', { kind: 'cancel', reason: 'a newer push' }))).toBe('a newer push')
})

test('a group that stands still behind a job that nobody can run says so, and what to do', () => {
  const behind = {
    ...boardJob(undefined),
    jobId: 'A.0',
    spec: sampleSpec({ labels: { gpu: 'h100' } })
  }
  const fine = { ...behind, spec: sampleSpec() }
  const blocked = (by: BoardJob): string =>
    why(undefined, { ...view, turns: { holdOf: () => ({ kind: 'group', behind: by }) } } as never)

  expect(blocked(behind)).toMatch(/behind .* is queued; no agent fits; .*gpu=h100.*cancel that one/)
  expect(blocked(behind)).toContain('until none of the group has run for 60 min')
  expect(blocked(fine)).not.toContain('cancel')
  const running = { ...behind, state: new SampleJob('A.0').claim('p1') }
  expect(blocked(running)).not.toContain('cancel')
})
