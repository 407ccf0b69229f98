import { describe, expect, test } from 'vitest'
import { claimable, isHeld } from '../../../agent/claim/candidates.ts'
import { GROUP_HOLD_MS_MAX } from '../../../protocol/core/graph-limits.ts'
import type { AgentView } from '../../../protocol/core/observation.ts'
import { sampleAd, sampleView } from '../../support/arbitrary-board.ts'
import { BoardRuns } from '../../support/board-runs.ts'

const offer = sampleAd()
const own = { peerId: 'peer-onyx', offer, free: offer.free }

function choice(
  runs: BoardRuns,
  more: {
    readonly agents?: readonly AgentView[]
    readonly nowMs?: number
    readonly draw?: number
    readonly over?: ReadonlyMap<string, number>
    readonly taken?: string
  } = {}
) {
  const { agents = [], nowMs = 0, draw = 0, over, taken } = more
  const look = { board: runs.board, open: runs.board.openJobs(), agents, nowMs }
  const { jobs, againAtMs } = claimable(
    look,
    own,
    (jobId) => jobId === taken,
    () => draw,
    over
  )
  return { ids: jobs.map(({ jobId }) => jobId), againAtMs }
}

describe('an agent with room', () => {
  test('tries nothing that waits for its needs or its group', () => {
    const concurrency = { group: 'g', cancelSuperseded: false }
    const jobs = [
      { name: 'a' },
      { name: 'b', needs: [0] },
      { name: 'c', concurrency },
      { name: 'd', concurrency }
    ]
    const runs = new BoardRuns().run('R', jobs)
    expect(choice(runs).ids).toEqual(['R.0', 'R.2'])
    expect(isHeld(runs.job('R.1'), runs.board, 0)).toBe(true)
    runs.end('R.0', 'succeeded')
    expect(choice(runs).ids).toEqual(['R.1', 'R.2'])
    expect(isHeld(runs.job('R.1'), runs.board, 0)).toBe(false)
  })

  test('tries one of a group at a time, also where the first has waited for so long', () => {
    const concurrency = { group: 'g', cancelSuperseded: false }
    const runs = new BoardRuns().run('A', [{ name: 'a', concurrency }])
    runs.run('B', [{ name: 'b', concurrency }], { issuedAtMs: 1 })
    const nowMs = 2 * GROUP_HOLD_MS_MAX

    expect(choice(runs, { nowMs }).ids).toEqual(['A.0'])
    expect(choice(runs, { nowMs, taken: 'A.0' }).ids).toEqual([])
    expect(choice(runs, { nowMs, taken: 'B.0' }).ids).toEqual([])
  })

  test('tries the job of a repository that has nothing running before those of a busy one', () => {
    const runs = new BoardRuns().run('A', [{ name: 'x' }, { name: 'y' }]).claim('A.0')
    runs.run('B', [{ name: 'x' }], { issuedAtMs: 9, repository: 'team/other' })
    expect(choice(runs, { draw: 0.99 }).ids).toEqual(['B.0', 'A.1'])
  })

  test('tries the more urgent one of a repository first, whatever is drawn', () => {
    const runs = new BoardRuns().run('R', [{ name: 'a' }, { name: 'b', priority: 3 }])
    for (const draw of [0, 0.5, 0.99]) expect(choice(runs, { draw }).ids).toEqual(['R.1', 'R.0'])
  })

  test('draws one of three that are alike: not all freed agents the same one', () => {
    const jobs = ['a', 'b', 'c', 'd'].map((name) => ({ name }))
    const runs = new BoardRuns().run('R', jobs)
    const first = [0, 0.4, 0.9].map((draw) => choice(runs, { draw }).ids[0])
    expect(first).toEqual(['R.0', 'R.1', 'R.2'])
    expect(choice(runs, { draw: 0.9 }).ids).toEqual(['R.2', 'R.0', 'R.1', 'R.3'])
  })

  test('tries a job whose lease was lost before all that are queued', () => {
    const runs = new BoardRuns().run('A', [{ name: 'a', priority: 10 }])
    runs.run('B', [{ name: 'lost' }], { issuedAtMs: 5 }).claim('B.0')
    expect(choice(runs, { over: new Map([['B.0', 1]]) }).ids).toEqual(['B.0', 'A.0'])
  })
})

test('a job is left to hosts that it prefers, and looked at again when it falls back', () => {
  const prefer = { disk: 'nvme' }
  const runs = new BoardRuns().run('R', [{ name: 'a', prefer, fallbackAfterMs: 700 }], {
    issuedAtMs: 100
  })
  const agents = [sampleView({ peerId: 'p2', labels: prefer })]
  expect(choice(runs, { agents, nowMs: 200 })).toEqual({ ids: [], againAtMs: 800 })
  expect(choice(runs, { agents, nowMs: 800 })).toEqual({ ids: ['R.0'], againAtMs: undefined })
})
