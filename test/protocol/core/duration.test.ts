import { expect, test } from 'vitest'
import { parseDuration } from '../../../protocol/core/duration.ts'

test.each([
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['1h', 3_600_000],
  ['1h30m', 5_400_000],
  ['1h30m5s', 5_405_000],
  ['24h', 86_400_000],
  ['90m', 5_400_000]
])('the duration %s', (text, ms) => {
  expect(parseDuration(text)).toEqual({ kind: 'value', value: ms })
})

test.each([
  [30, 'has no unit'],
  ['30', 'is no duration'],
  ['', 'is no duration'],
  ['30 m', 'is no duration'],
  ['1.5h', 'is no duration'],
  ['30m1h', 'is no duration'],
  ['-1s', 'is no duration'],
  ['10ms', 'is no duration'],
  ['1d', 'is no duration'],
  ['1_0s', 'is no duration'],
  [null, 'is no duration'],
  [['1s'], 'is no duration'],
  ['0s', 'is too short'],
  ['24h1s', 'is too long: at most 24h'],
  ['999999999h', 'is too long']
])('%j is refused as a duration: %s', (input, problem) => {
  expect(parseDuration(input)).toEqual({ kind: 'problem', text: expect.stringContaining(problem) })
})
