import { expect, test } from 'vitest'
import { witnessLines } from '../../../protocol/api/witness-lines.ts'

const NAMES = ['onyx', 'basalt', 'pumice', 'front', 'slate']

function seen(total: number, away: number, w: number) {
  const witnesses = NAMES.slice(0, total).map((name, index) => ({
    name,
    reachable: index >= away
  }))
  return { witnesses, w, quorum: Math.floor(w / 2) + 1 }
}

test.each([
  [3, 0, 3, []],
  [4, 0, 3, []],
  [4, 1, 3, ['WITNESS_AWAY']],
  // Three of four keep a run: with two away, half of all runs have lost two of their three.
  [4, 2, 3, ['QUORUM_UNREACHABLE_FOR_SOME']],
  [4, 3, 3, ['QUORUM_UNREACHABLE']],
  [5, 2, 5, ['WITNESS_AWAY']],
  [5, 3, 5, ['QUORUM_UNREACHABLE']],
  [3, 2, 3, ['QUORUM_UNREACHABLE']],
  [2, 1, 1, ['QUORUM_UNREACHABLE_FOR_SOME', 'WITNESSES_FEW']],
  [1, 0, 1, ['WITNESSES_FEW']],
  [1, 1, 1, ['QUORUM_UNREACHABLE', 'WITNESSES_FEW']],
  [0, 0, 0, []]
])('of %d witnesses %d away, %d a run: %j', (total, away, w, codes) => {
  const lines = witnessLines(seen(total, away, w))

  expect(lines.map(({ code }) => code)).toEqual(codes)
  for (const { fix } of lines) expect(fix).toMatch(/\w/)
})

test('what is away is named, in the message or in the way out', () => {
  const [line] = witnessLines(seen(4, 2, 3))

  expect(line?.message).toContain('onyx, basalt')
  expect(line?.fix).toBe('start onyx, basalt')
})
