import { describe, expect, test } from 'vitest'
import { consequencesOf } from '../../../protocol/core/consequences.ts'
import { BoardRuns, type Sketch } from '../../support/board-runs.ts'

function found(runs: BoardRuns): readonly string[] {
  return consequencesOf(runs.board.openJobs(), runs.board).map(
    ({ jobId, body }) => `${body.kind} ${jobId}: ${body.reason}`
  )
}

describe('a job that needs one which did not succeed', () => {
  const line: readonly Sketch[] = [
    { name: 'a' },
    { name: 'b', needs: [0] },
    { name: 'c', needs: [1] }
  ]

  test('is skipped, and then what needs it, each for the job that it needs itself', () => {
    const runs = new BoardRuns().run('R', line)
    expect(found(runs)).toEqual([])
    runs.end('R.0', 'failed')
    expect(found(runs)).toEqual(['skip R.1: needs a, which failed'])
    runs.skip('R.1')
    expect(found(runs)).toEqual(['skip R.2: needs b, which was skipped'])
    runs.skip('R.2')
    expect(found(runs)).toEqual([])
    expect(runs.board.runStatus('R')).toBe('failed')
  })

  test('is cancelled, once, where somebody has claimed it all the same', () => {
    const runs = new BoardRuns().run('R', line).claim('R.1').end('R.0', 'failed')
    expect(found(runs)).toEqual(['cancel R.1: needs a, which failed'])
    runs.cancel('R.1')
    expect(found(runs)).toEqual([])
  })
})

describe('a newer run in a group that supersedes', () => {
  const deploy = (cancelSuperseded: boolean): Sketch => {
    return { name: 'deploy', concurrency: { group: 'prod', cancelSuperseded } }
  }

  test('cancels older ones, queued or running, once, and none of its own', () => {
    const runs = new BoardRuns()
    runs.run('A', [deploy(true)], { issuedAtMs: 1 }).claim('A.0')
    runs.run('B', [deploy(true)], { issuedAtMs: 2 })
    runs.run('C', [deploy(true), deploy(true)], { issuedAtMs: 3 })
    expect(found(runs)).toEqual([
      'cancel A.0: superseded by run B',
      'cancel B.0: superseded by run C'
    ])
    runs.cancel('A.0').cancel('B.0')
    expect(found(runs)).toEqual([])
  })

  test('leaves them where it does not ask for that, whatever they say', () => {
    const runs = new BoardRuns()
    runs.run('A', [deploy(true)], { issuedAtMs: 1 }).run('B', [deploy(false)], { issuedAtMs: 2 })
    expect(found(runs)).toEqual([])
  })

  test('leaves what is trusted where it is not trusted itself', () => {
    const runs = new BoardRuns().run('A', [deploy(true)], { issuedAtMs: 1 }).claim('A.0')
    runs.run('B', [deploy(true)], { issuedAtMs: 2, trust: 'untrusted' })
    expect(found(runs)).toEqual([])
    runs.run('C', [deploy(true)], { issuedAtMs: 3, trust: 'untrusted' })
    expect(found(runs)).toEqual(['cancel B.0: superseded by run C'])
  })

  test('leaves what has ended, and what is of another group', () => {
    const runs = new BoardRuns()
    runs.run('A', [deploy(true)], { issuedAtMs: 1 }).end('A.0', 'succeeded')
    runs.run('X', [{ name: 'x' }], { issuedAtMs: 1 })
    runs.run('B', [deploy(true)], { issuedAtMs: 2 })
    expect(found(runs)).toEqual([])
  })
})

test('two members that find the same want it under one id', () => {
  const runs = new BoardRuns().run('R', [{ name: 'a' }, { name: 'b', needs: [0] }])
  runs.end('R.0', 'errored')
  const because = consequencesOf(runs.board.openJobs(), runs.board).map((one) => one.because)
  expect(because).toEqual(['skip|R.0'])
})
