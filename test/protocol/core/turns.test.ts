import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GROUP_HOLD_MS_MAX } from '../../../protocol/core/graph-limits.ts'
import type { OutcomeState } from '../../../protocol/core/job.ts'
import { type Hold, Turns } from '../../../protocol/core/turns.ts'
import { BoardRuns, type Sketch } from '../../support/board-runs.ts'

const DIAMOND: readonly Sketch[] = [
  { name: 'a' },
  { name: 'b', needs: [0] },
  { name: 'c', needs: [0] },
  { name: 'd', needs: [1, 2] }
]

function hold(runs: BoardRuns, jobId: string): string {
  const turns = new Turns(runs.board.openJobs(), runs.board)
  return words(turns.holdOf(runs.job(jobId)))
}

function words(found: Hold | undefined): string {
  if (found === undefined) return 'free'
  switch (found.kind) {
    case 'needs':
      return `needs ${found.on.map(({ spec }) => spec.name).join(' ')}`
    case 'broken':
      return `broken by ${found.by.spec.name}`
    default:
      return `behind ${found.behind.jobId}`
  }
}

describe('a job with needs', () => {
  test('has its turn once all of them have succeeded, and no sooner', () => {
    const runs = new BoardRuns().run('R', DIAMOND)
    expect(['R.0', 'R.1', 'R.3'].map((id) => hold(runs, id))).toEqual([
      'free',
      'needs a',
      'needs b c'
    ])
    runs.claim('R.0')
    expect(hold(runs, 'R.1')).toBe('needs a')
    runs.end('R.0', 'succeeded')
    expect([hold(runs, 'R.1'), hold(runs, 'R.2')]).toEqual(['free', 'free'])
    runs.end('R.1', 'succeeded')
    expect(hold(runs, 'R.3')).toBe('needs c')
    runs.end('R.2', 'succeeded')
    expect(hold(runs, 'R.3')).toBe('free')
  })

  test.each(['failed', 'errored', 'cancelled'] as const)(
    'never has it after one that %s',
    (end) => {
      const runs = new BoardRuns().run('R', DIAMOND).end('R.0', 'succeeded').end('R.1', end)
      expect(hold(runs, 'R.3')).toBe('broken by b')
    }
  )

  test('never has it after one that was skipped', () => {
    const runs = new BoardRuns().run('R', DIAMOND).end('R.0', 'failed').skip('R.1')
    expect(hold(runs, 'R.3')).toBe('broken by b')
  })

  test('waits for one that failed as long as that one is tried again', () => {
    const runs = new BoardRuns().run('R', [
      { name: 'a', retries: 1 },
      { name: 'b', needs: [0] }
    ])
    runs.end('R.0', 'failed')
    expect(hold(runs, 'R.1')).toBe('needs a')
    runs.end('R.0', 'failed')
    expect(hold(runs, 'R.1')).toBe('broken by a')
  })

  test('is claimed in no order in which a need has not succeeded before', () => {
    const graphs = fc.array(fc.nat(255), { minLength: 1, maxLength: 8 })
    const ends = fc.constantFrom<OutcomeState>('succeeded', 'succeeded', 'succeeded', 'failed')
    fc.assert(
      fc.property(graphs, fc.array(fc.tuple(fc.nat(), ends), { maxLength: 40 }), (masks, picks) => {
        const jobs = masks.map((mask, index): Sketch => {
          const needs = [...new Array(index).keys()].filter((need) => (mask >> need) & 1)
          return { name: `j${index}`, needs }
        })
        const runs = new BoardRuns().run('R', jobs)
        const succeeded = new Set<number>()
        for (const [pick, end] of picks) {
          const open = runs.board.openJobs()
          const turns = new Turns(open, runs.board)
          const free = open.filter((job) => turns.holdOf(job) === undefined)
          const job = free[pick % Math.max(1, free.length)]
          if (job === undefined) break
          expect((job.spec.needs ?? []).every((need) => succeeded.has(need))).toBe(true)
          runs.end(job.jobId, end)
          if (end === 'succeeded') succeeded.add(job.spec.index)
        }
      })
    )
  })
})

describe('jobs of one group', () => {
  const deploy = (needs: readonly number[] = []): Sketch => {
    return { name: 'deploy', needs, concurrency: { group: 'prod', cancelSuperseded: false } }
  }

  test('have their turn one at a time, the oldest run first', () => {
    const runs = new BoardRuns()
    runs.run('B', [deploy()], { issuedAtMs: 2 }).run('A', [deploy(), deploy()], { issuedAtMs: 1 })
    expect(['A.0', 'A.1', 'B.0'].map((id) => hold(runs, id))).toEqual([
      'free',
      'behind A.0',
      'behind A.0'
    ])
    runs.end('A.0', 'failed')
    expect(['A.1', 'B.0'].map((id) => hold(runs, id))).toEqual(['free', 'behind A.1'])
    runs.end('A.1', 'succeeded')
    expect(hold(runs, 'B.0')).toBe('free')
  })

  const at = (runs: BoardRuns, jobId: string, nowMs: number): string => {
    const turns = new Turns(runs.board.openJobs(), runs.board, nowMs)
    return words(turns.holdOf(runs.job(jobId)))
  }

  test('wait no longer for one that nobody has claimed for an hour, but for one that runs', () => {
    const runs = new BoardRuns()
    runs.run('A', [deploy()], { issuedAtMs: 0 }).run('B', [deploy()], { issuedAtMs: 1 })

    expect(at(runs, 'B.0', GROUP_HOLD_MS_MAX - 1)).toBe('behind A.0')
    expect(at(runs, 'B.0', GROUP_HOLD_MS_MAX)).toBe('free')
    expect(at(runs, 'A.0', GROUP_HOLD_MS_MAX)).toBe('free')
    runs.claim('B.0', GROUP_HOLD_MS_MAX)
    expect(at(runs, 'A.0', GROUP_HOLD_MS_MAX)).toBe('behind B.0')
  })

  test('that have queued for hours behind one that ran still go one at a time, in order', () => {
    const runs = new BoardRuns().run('A', [deploy()]).claim('A.0')
    for (const runId of ['B', 'C', 'D']) runs.run(runId, [deploy()], { issuedAtMs: 1 })
    const endMs = 3 * GROUP_HOLD_MS_MAX
    runs.end('A.0', 'succeeded', endMs)

    const holds = ['B.0', 'C.0', 'D.0'].map((id) => at(runs, id, endMs + 1_000))

    expect(holds).toEqual(['free', 'behind B.0', 'behind B.0'])
  })

  test('whose needs took hours go one at a time all the same', () => {
    const runs = new BoardRuns()
    for (const runId of ['A', 'B']) runs.run(runId, [{ name: 'build' }, deploy([0])])
    const endMs = 2 * GROUP_HOLD_MS_MAX
    for (const id of ['A.0', 'B.0']) runs.end(id, 'succeeded', endMs)

    expect(['A.1', 'B.1'].map((id) => at(runs, id, endMs))).toEqual(['free', 'behind A.1'])
  })

  test('behind one that nobody claims have their turn an hour after one another', () => {
    const runs = new BoardRuns()
    for (const runId of ['A', 'B', 'C']) runs.run(runId, [deploy()])
    const free = (nowMs: number) =>
      ['A.0', 'B.0', 'C.0'].filter((id) => at(runs, id, nowMs) === 'free')

    expect(free(GROUP_HOLD_MS_MAX)).toEqual(['A.0', 'B.0'])
    expect(free(2 * GROUP_HOLD_MS_MAX)).toEqual(['A.0', 'B.0', 'C.0'])
  })

  test('wait for one that runs, however young it is', () => {
    const runs = new BoardRuns().run('B', [deploy()], { issuedAtMs: 2 }).claim('B.0')
    runs.run('A', [deploy()], { issuedAtMs: 1 })
    expect(hold(runs, 'A.0')).toBe('behind B.0')
  })

  test('do not wait for one that waits for its needs: it may be for them', () => {
    const runs = new BoardRuns().run('A', [deploy([1]), deploy()])
    expect(['A.0', 'A.1'].map((id) => hold(runs, id))).toEqual(['needs deploy', 'free'])
    runs.claim('A.1')
    expect(hold(runs, 'A.0')).toBe('needs deploy')
    runs.end('A.1', 'succeeded')
    expect(hold(runs, 'A.0')).toBe('free')
  })

  test('of different repositories or names have nothing to do with one another', () => {
    const runs = new BoardRuns().run('A', [deploy()]).claim('A.0')
    runs.run('B', [deploy()], { repository: 'team/other' })
    const other = { group: 'staging', cancelSuperseded: false }
    runs.run('C', [{ name: 'deploy', concurrency: other }])
    expect([hold(runs, 'B.0'), hold(runs, 'C.0')]).toEqual(['free', 'free'])
  })

  test('of a run that is not trusted keep none waiting that is', () => {
    const runs = new BoardRuns().run('A', [deploy()], { trust: 'untrusted' }).claim('A.0')
    runs.run('B', [deploy()], { issuedAtMs: 1 })
    runs.run('C', [deploy()], { issuedAtMs: 2, trust: 'untrusted' })
    expect([hold(runs, 'B.0'), hold(runs, 'C.0')]).toEqual(['free', 'behind A.0'])
  })

  test('never block one another for good: one of the queued ones has its turn', () => {
    const sizes = fc.array(fc.array(fc.nat(15), { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 4
    })
    fc.assert(
      fc.property(sizes, (shapes) => {
        const runs = new BoardRuns()
        for (const [at, masks] of shapes.entries()) {
          const jobs = masks.map((mask, index) => {
            return deploy([...new Array(index).keys()].filter((need) => (mask >> need) & 1))
          })
          runs.run(`R${at}`, jobs, { issuedAtMs: at })
        }
        let left = shapes.flat().length
        for (; left > 0; left -= 1) {
          const open = runs.board.openJobs()
          const turns = new Turns(open, runs.board)
          const free = open.filter((job) => turns.holdOf(job) === undefined)
          expect(free).toHaveLength(1)
          runs.end(free[0]?.jobId ?? '', 'succeeded')
        }
        expect(runs.board.openJobs()).toEqual([])
      })
    )
  })
})
