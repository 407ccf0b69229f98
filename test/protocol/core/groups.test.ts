import { expect, test } from 'vitest'
import { GROUPS_REMEMBERED_MAX } from '../../../protocol/core/graph-limits.ts'
import { Groups, groupOf } from '../../../protocol/core/groups.ts'
import { BoardRuns } from '../../support/board-runs.ts'

const inGroup = (group: string) => ({
  name: 'deploy',
  concurrency: { group, cancelSuperseded: false }
})

test('a group is of one repository and one trust, and a job without one is in none', () => {
  const runs = new BoardRuns().run('A', [inGroup('prod'), { name: 'test' }])
  runs.run('B', [inGroup('prod')], { repository: 'team/other' })
  runs.run('C', [inGroup('prod')], { trust: 'untrusted' })
  const groups = ['A.0', 'B.0', 'C.0'].map((id) => groupOf(runs.job(id)))

  expect(new Set(groups).size).toBe(3)
  expect(groupOf(runs.job('A.1'))).toBeUndefined()
})

test('of the groups the ones that ran last are remembered, as many as may be', () => {
  const runs = new BoardRuns().run('A', [inGroup('first'), inGroup('second')])
  const [first, second] = [runs.job('A.0'), runs.job('A.1')]
  const groups = new Groups()
  groups.ran(first, 1)
  groups.ran(second, 2)
  groups.ran(first, 3)
  for (let at = 2; at <= GROUPS_REMEMBERED_MAX; at += 1) {
    groups.ran({ ...first, spec: { ...first.spec, ...inGroup(`g${at}`) } }, 4)
  }

  expect(groups.ranMs(groupOf(first) ?? '')).toBe(3)
  expect(groups.ranMs(groupOf(second) ?? '')).toBeUndefined()
})

test('a board knows when a job of a group had its lease last, at its begin and at its end', () => {
  const runs = new BoardRuns().run('A', [inGroup('prod')])
  const group = groupOf(runs.job('A.0')) ?? ''
  expect(runs.board.groupRanMs(group)).toBeUndefined()
  runs.claim('A.0', 5)
  expect(runs.board.groupRanMs(group)).toBe(5)
  runs.end('A.0', 'succeeded', 9)
  expect(runs.board.groupRanMs(group)).toBe(9)
})
