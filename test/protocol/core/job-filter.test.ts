import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Board } from '../../../protocol/core/board.ts'
import {
  formatCursor,
  holderOf,
  type JobFilter,
  parseCursor,
  seenPhase
} from '../../../protocol/core/job-filter.ts'
import { SampleJob, sampleRun, sampleSpec } from '../../support/arbitrary-board.ts'

/** Four runs of one job each: queued, claimed, at its first step, and failed. */
function board(): Board {
  const made = new Board()
  const names = ['QUEUEDAA', 'LEASEDAA', 'RUNNINGA', 'FAILEDAA']
  for (const [index, runId] of names.entries()) {
    const manifest = index === 0 ? { repository: 'team/site' } : {}
    made.addRun(sampleRun({ runId, issuedAtMs: index, jobs: [sampleSpec()], manifest }), 0)
  }
  for (const runId of names.slice(1)) {
    const job = new SampleJob(`${runId}.0`)
    made.foldJob(job.claim(runId === 'LEASEDAA' ? 'peer-onyx' : 'peer-basalt'), 0)
    if (runId === 'FAILEDAA') made.foldJob(job.complete('failed', 'step "x" exited 1'), 0)
  }
  made.stage('RUNNINGA.0', 1, { name: 'step', step: 1, steps: 1 })
  return made
}

test.each<readonly [string, JobFilter, readonly string[]]>([
  ['everything', {}, ['FAILEDAA', 'RUNNINGA', 'LEASEDAA', 'QUEUEDAA']],
  ['queued', { states: ['queued'] }, ['QUEUEDAA']],
  ['running covers leased', { states: ['running'] }, ['RUNNINGA', 'LEASEDAA']],
  ['leased covers running', { states: ['leased'] }, ['RUNNINGA', 'LEASEDAA']],
  ['several states', { states: ['failed', 'queued'] }, ['FAILEDAA', 'QUEUEDAA']],
  ['no state', { states: [] }, []],
  ['one repository', { repository: 'team/site' }, ['QUEUEDAA']],
  ['a branch', { ref: 'main' }, ['FAILEDAA', 'RUNNINGA', 'LEASEDAA', 'QUEUEDAA']],
  ['a full ref', { ref: 'refs/heads/main', repository: 'team/site' }, ['QUEUEDAA']],
  ['another branch', { ref: 'mai' }, []],
  ['a holder, of ended jobs too', { holder: 'peer-basalt' }, ['FAILEDAA', 'RUNNINGA']],
  ['one run', { runId: 'LEASEDAA' }, ['LEASEDAA']],
  ['since a time', { sinceMs: 2 }, ['FAILEDAA', 'RUNNINGA']]
])('filter: %s', (_what, filter, expected) => {
  expect(
    board()
      .jobs(filter)
      .map(({ runId }) => runId)
  ).toEqual(expected)
})

test('a leased job is seen as running once its first step runs', () => {
  const jobs = board().jobs()
  expect(jobs.map(seenPhase)).toEqual(['failed', 'running', 'leased', 'queued'])
})

test('a queued job has no holder, though it had one before', () => {
  const job = new SampleJob('QUEUEDAA.0')
  job.claim('peer-onyx')
  expect(holderOf({ state: job.state })).toBe('peer-onyx')
  expect(holderOf({ state: job.release(true) })).toBeUndefined()
  expect(holderOf({ state: undefined })).toBeUndefined()
})

test('a cursor is read back as it was written', () => {
  const cursors = fc.record({
    issuedAtMs: fc.nat(),
    runId: fc.stringMatching(/^[0-9A-Z]{26}$/),
    index: fc.nat(255)
  })
  fc.assert(
    fc.property(cursors, (cursor) => {
      expect(parseCursor(formatCursor(cursor))).toEqual(cursor)
    })
  )
})

test.each(['', '1', '1-A', '1-A-', '-1-A-0', '1-A-0-0', '1-../x-0', 'x-A-0', '1-A-99999'])(
  '"%s" is no cursor',
  (text) => {
    expect(parseCursor(text)).toBeUndefined()
  }
)
