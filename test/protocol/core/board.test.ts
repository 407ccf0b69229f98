import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Board } from '../../../protocol/core/board.ts'
import type { JobState } from '../../../protocol/core/job.ts'
import { parseCursor } from '../../../protocol/core/job-filter.ts'
import type { Stage } from '../../../protocol/core/messages.ts'
import {
  SAMPLE_ORIGIN,
  SampleJob,
  sampleAd,
  sampleRun,
  sampleSpec
} from '../../support/arbitrary-board.ts'

const RUN = 'AAAAAAAAAA'
const STEP: Stage = { name: 'step', step: 1, steps: 2 }
const twoJobs = [sampleSpec({ name: 'build' }), sampleSpec({ name: 'lint' })]

function boardWith(...runIds: readonly string[]): Board {
  const board = new Board()
  for (const [index, runId] of runIds.entries()) {
    board.addRun(sampleRun({ runId, issuedAtMs: index, jobs: twoJobs }), index)
  }
  return board
}

/** Ends both jobs of a run. */
function endRun(board: Board, runId: string): void {
  for (const index of [0, 1]) {
    const job = new SampleJob(`${runId}.${index}`)
    job.claim('peer-onyx')
    board.foldJob(job.complete('succeeded'), 0)
  }
}

test('a run comes with its jobs, queued until their registers are known', () => {
  const board = boardWith(RUN)
  expect(board.job(`${RUN}.1`)).toEqual({
    jobId: `${RUN}.1`,
    runId: RUN,
    spec: { ...twoJobs[1], index: 1 },
    trust: 'trusted',
    origin: SAMPLE_ORIGIN,
    state: undefined,
    witnessEpoch: 1,
    stage: undefined,
    changedAtMs: 0,
    holderSinceMs: undefined,
    issuedAtMs: 0
  })
  expect(board.runStatus(RUN)).toBe('queued')
  expect(board.jobsOf(RUN)).toHaveLength(2)
})

test('a run is added once', () => {
  const board = boardWith(RUN)
  expect(board.addRun(sampleRun({ runId: RUN, jobs: [] }), 5)).toBe(false)
  expect(board.jobsOf(RUN)).toHaveLength(2)
  expect(board.run(RUN)?.firstSeenMs).toBe(0)
})

test('what is not on the board is undefined, whatever its name', () => {
  const board = boardWith(RUN)
  for (const id of ['', 'BBBBBB.0', `${RUN}.2`, `${RUN}.01`, `${RUN}.x`, `${RUN}.-1`, RUN]) {
    expect(board.job(id), id).toBeUndefined()
  }
  expect([board.run('BBBBBB'), board.runStatus('BBBBBB')]).toEqual([undefined, undefined])
  expect(board.jobsOf('BBBBBB')).toEqual([])
})

test('a job state is taken only if it is newer', () => {
  const board = boardWith(RUN)
  const job = new SampleJob(`${RUN}.0`)
  const created = job.state as JobState
  const leased = job.claim('peer-onyx')

  expect(board.foldJob(leased, 10)).toBe(true)
  expect(board.foldJob(created, 20)).toBe(false)
  expect(board.foldJob(leased, 30)).toBe(false)
  expect(board.job(`${RUN}.0`)).toMatchObject({ state: leased, changedAtMs: 10, holderSinceMs: 10 })
})

test('a state of another announcement, of an unknown run or of no job is not taken', () => {
  const board = boardWith(RUN)
  const state = new SampleJob(`${RUN}.0`).state as JobState
  expect(board.foldJob({ ...state, annHash: 'other' }, 0)).toBe(false)
  expect(board.foldJob(new SampleJob('BBBBBBBBBB.0').state as JobState, 0)).toBe(false)
  expect(board.foldJob({ ...state, register: `${RUN}.00` }, 0)).toBe(false)
  expect(board.foldJob({ ...state, register: `${RUN}.7` }, 0)).toBe(false)
  expect(board.job(`${RUN}.0`)?.state).toBeUndefined()
})

test('states in any order and number leave the highest version', () => {
  const job = new SampleJob(`${RUN}.0`)
  const states = [job.state as JobState, job.claim('a'), job.release(true), job.claim('b')]
  states.push(job.apply('c', { kind: 'cancel', reason: 'superseded' }), job.complete('cancelled'))
  const last = states.at(-1)
  fc.assert(
    fc.property(fc.shuffledSubarray([...states, ...states]), (some) => {
      const board = boardWith(RUN)
      for (const state of some) board.foldJob(state, 0)
      const highest = Math.max(0, ...some.map((state) => state.version))
      expect(board.job(`${RUN}.0`)?.state?.version ?? 0).toBe(highest)
      const isOpen = last === undefined || highest < last.version
      expect(board.openJobs().some((open) => open.jobId === `${RUN}.0`)).toBe(isOpen)
    })
  )
})

test('a stage is shown only under the epoch that is leased now', () => {
  const board = boardWith(RUN)
  const jobId = `${RUN}.0`
  const job = new SampleJob(jobId)
  expect(board.stage(jobId, 1, STEP)).toBe(false)

  board.foldJob(job.claim('peer-onyx'), 10)
  expect(board.stage(jobId, 2, STEP)).toBe(false)
  expect(board.stage(jobId, 1, STEP)).toBe(true)
  expect(board.stage(jobId, 1, STEP)).toBe(false)
  expect(board.job(jobId)?.stage).toEqual(STEP)

  board.foldJob(job.apply('x', { kind: 'cancel', reason: 'superseded' }), 15)
  expect(board.job(jobId)).toMatchObject({ stage: STEP, holderSinceMs: 10 })

  board.foldJob(job.claim('peer-basalt'), 20)
  expect(board.job(jobId)?.stage).toBeUndefined()
  expect(board.stage('unknown.0', 1, STEP)).toBe(false)
})

test('the holder is timed from its own lease, not from the one before', () => {
  const board = boardWith(RUN)
  const job = new SampleJob(`${RUN}.0`)
  board.foldJob(job.claim('peer-onyx'), 10)
  board.foldJob(job.claim('peer-basalt'), 90)
  expect(board.job(`${RUN}.0`)?.holderSinceMs).toBe(90)
  board.foldJob(job.complete('succeeded'), 95)
  expect(board.job(`${RUN}.0`)?.holderSinceMs).toBe(90)
})

test('open jobs come oldest run first and leave when they end', () => {
  const board = boardWith('AAAAAAAAAA', 'BBBBBBBBBB')
  endRun(board, 'AAAAAAAAAA')
  const job = new SampleJob('BBBBBBBBBB.0')
  board.foldJob(job.claim('peer-onyx'), 0)
  expect(board.openJobs().map(({ jobId }) => jobId)).toEqual(['BBBBBBBBBB.0', 'BBBBBBBBBB.1'])
  expect(board.runStatus('AAAAAAAAAA')).toBe('succeeded')
  expect(board.runStatus('BBBBBBBBBB')).toBe('running')
})

test('a job ends once, whatever later versions say', () => {
  const board = boardWith(RUN)
  const job = new SampleJob(`${RUN}.0`)
  job.claim('peer-onyx')
  const ended = job.complete('failed')
  board.foldJob(ended, 0)
  board.foldJob({ ...ended, version: ended.version + 1 }, 0)
  expect(board.openJobs().map(({ jobId }) => jobId)).toEqual([`${RUN}.1`])
})

test('a full board drops its oldest ended run, and refuses a new one while all are open', () => {
  const board = new Board({ runsMax: 3 })
  const add = (runId: string, issuedAtMs: number) =>
    board.addRun(sampleRun({ runId, issuedAtMs, jobs: twoJobs }), 0)
  for (const [index, runId] of ['AAAAAAA', 'BBBBBBB', 'CCCCCCC'].entries()) add(runId, index)

  expect([board.isFull, add('DDDDDDD', 9)]).toEqual([true, false])
  endRun(board, 'CCCCCCC')
  endRun(board, 'BBBBBBB')
  expect([board.isFull, add('DDDDDDD', 9)]).toEqual([false, true])
  expect(board.runs().map((run) => run.sealed.announcement.runId)).toEqual([
    'DDDDDDD',
    'CCCCCCC',
    'AAAAAAA'
  ])
  expect(board.find('BBBBBBB')).toEqual([])
  expect(board.size).toBe(3)
})

test('a run whose file was wrong has no jobs, is errored and may be dropped', () => {
  const board = new Board({ runsMax: 1 })
  const error = { code: 'PIPELINE_INVALID', message: 'x', line: 1, column: 1, path: undefined }
  board.addRun(sampleRun({ runId: RUN, jobs: [], manifest: { error } }), 0)
  expect(board.runStatus(RUN)).toBe('errored')
  expect(board.addRun(sampleRun({ runId: 'BBBBBBB' }), 0)).toBe(true)
})

test('jobs come newest run first, then in the order of the file', () => {
  expect(
    boardWith('AAAAAAA', 'BBBBBBB')
      .jobs()
      .map(({ jobId }) => jobId)
  ).toEqual(['BBBBBBB.0', 'BBBBBBB.1', 'AAAAAAA.0', 'AAAAAAA.1'])
})

test('pages of any size give the same list, each job once, while runs are added', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 0, max: 6 }), (limit, count) => {
      const runIds = Array.from({ length: count }, (_, index) => `RUN${index}AAAA`)
      const board = boardWith(...runIds)
      const all = board.jobs().map(({ jobId }) => jobId)

      const seen: string[] = []
      let next: string | undefined
      do {
        const after = next === undefined ? undefined : parseCursor(next)
        const page = board.page({}, after, limit)
        expect(page.jobs.length).toBeLessThanOrEqual(limit)
        seen.push(...page.jobs.map(({ jobId }) => jobId))
        next = page.next
        board.addRun(sampleRun({ runId: `NEW${seen.length}`, issuedAtMs: 1_000 }), 0)
      } while (next !== undefined && seen.length <= all.length)

      expect(seen).toEqual(all)
    })
  )
})

test('a short id finds its jobs, in any case, with or without an index', () => {
  const board = boardWith('7K3QF2AAAA', '7K3QF9AAAA')
  expect(board.find('7k3qf2.1')).toEqual(['7K3QF2AAAA.1'])
  expect(board.find('7K3QF2')).toEqual(['7K3QF2AAAA.0', '7K3QF2AAAA.1'])
  expect(board.find('7K3QF')).toEqual([])
  expect(board.find('7K3QF2.9')).toEqual([])
  expect(board.find('../../x')).toEqual([])
  expect(board.findRuns('7K3QF9')).toEqual(['7K3QF9AAAA'])
  expect(board.shortId('7K3QF2AAAA.1')).toBe('7K3QF2.1')
  expect(board.shortRunId('7K3QF9AAAA')).toBe('7K3QF9')
})

test('agents are folded from advertisements and links', () => {
  const board = new Board()
  expect(board.foldAdvertisement(sampleAd(), 0)).toBe(true)
  expect(board.foldAdvertisement(sampleAd(), 1)).toBe(false)
  expect(board.agent('peer-onyx', 1)?.observed).toBe('idle')
  board.foldLink('peer-onyx', 'down')
  expect(board.agents(1).map((view) => view.observed)).toEqual(['suspect'])
  board.forgetAgent('peer-onyx')
  expect(board.agents(1)).toEqual([])
})
