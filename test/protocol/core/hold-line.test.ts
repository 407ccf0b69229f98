import { expect, test } from 'vitest'
import { holdLine, preferLine } from '../../../protocol/core/hold-line.ts'
import { Turns } from '../../../protocol/core/turns.ts'
import { sampleView } from '../../support/arbitrary-board.ts'
import { BoardRuns } from '../../support/board-runs.ts'

const shortId = (jobId: string): string => jobId.toLowerCase()

function line(runs: BoardRuns, jobId: string): string {
  const hold = new Turns(runs.board.openJobs(), runs.board).holdOf(runs.job(jobId))
  return hold === undefined ? '' : holdLine(hold, shortId)
}

test('a job that waits for its needs names them and what they do', () => {
  const needs = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name }))
  const runs = new BoardRuns().run('R', [...needs, { name: 'all', needs: [0, 1, 2, 3, 4] }])
  runs.end('R.0', 'succeeded').claim('R.1')
  expect(line(runs, 'R.5')).toBe(
    'needs b, which runs; c, which is queued; d, which is queued and 1 more'
  )
  runs.end('R.1', 'failed')
  expect(line(runs, 'R.5')).toBe('needs b, which failed: it is about to be skipped')
})

test('a job of a group names the one that goes first', () => {
  const concurrency = { group: 'prod', cancelSuperseded: false }
  const runs = new BoardRuns().run('A', [{ name: 'deploy', concurrency }]).claim('A.0')
  runs.run('B', [{ name: 'deploy', concurrency }], { issuedAtMs: 1 })
  expect(line(runs, 'B.0')).toBe('one at a time in group prod: behind deploy (a.0), which runs')
})

test('a job that prefers other hosts says which, and for how long', () => {
  const prefer = { disk: 'nvme' }
  const job = new BoardRuns().run('R', [{ name: 'a', prefer }], { issuedAtMs: 0 }).job('R.0')
  const fast = sampleView({ name: 'basalt', labels: prefer })
  expect(preferLine(job, [fast], 0)).toBe('prefers disk=nvme: basalt may take it, others in 5 min')
  expect(preferLine(job, [fast], 299_000)).toContain('others in 1 s')
  expect(preferLine(job, [fast], 300_000)).toBeUndefined()
  expect(preferLine(job, [sampleView()], 0)).toBeUndefined()
})
