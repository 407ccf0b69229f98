import { expect, test } from 'vitest'
import { FAIR_LEASES_MAX, FAIR_WINDOW_MS } from '../../../protocol/core/graph-limits.ts'
import { Shares } from '../../../protocol/core/shares.ts'
import { BoardRuns } from '../../support/board-runs.ts'

test('what a repository had is counted within the window, and forgotten behind it', () => {
  const shares = new Shares()
  shares.ended('a', 0, 1_000)
  shares.ended('a', 2_000, 2_500)
  shares.ended('b', 0, 100)
  expect([...shares.usedMs(3_000)]).toEqual([
    ['a', 1_500],
    ['b', 100]
  ])
  // Half of the first lease is behind it.
  expect(shares.usedMs(FAIR_WINDOW_MS + 500).get('a')).toBe(1_000)
  expect([...shares.usedMs(FAIR_WINDOW_MS + 3_000)]).toEqual([])
})

test('however many leases end, few are remembered, and the newest of them', () => {
  const shares = new Shares()
  for (let at = 0; at < 3 * FAIR_LEASES_MAX; at += 1) shares.ended('a', at, at + 1)
  const used = shares.usedMs(3 * FAIR_LEASES_MAX).get('a') ?? 0
  expect(used).toBeGreaterThanOrEqual(FAIR_LEASES_MAX / 2)
  expect(used).toBeLessThanOrEqual(FAIR_LEASES_MAX)
})

test('a board counts the leases that it saw begin and end, by repository', () => {
  const runs = new BoardRuns().run('A', [{ name: 'x' }, { name: 'y' }])
  runs.run('B', [{ name: 'x' }], { repository: 'team/other' })
  runs.claim('A.0', 100).claim('A.1', 100).claim('B.0', 100)
  runs.end('A.0', 'succeeded', 400).end('B.0', 'failed', 150)
  expect(Object.fromEntries(runs.board.usedMs(1_000))).toEqual({
    'team/kernel': 300,
    'team/other': 50
  })
})
