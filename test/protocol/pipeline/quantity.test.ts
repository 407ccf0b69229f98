import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDuration } from '../../../protocol/core/duration.ts'
import { parseCpu, parseMemory } from '../../../protocol/pipeline/quantity.ts'

const value = (amount: number) => ({ kind: 'value', value: amount })

test.each([
  ['512MiB', 536_870_912],
  ['4GiB', 4_294_967_296],
  ['1.5GiB', 1_610_612_736],
  ['500MB', 500_000_000],
  ['7000000B', 7_000_000],
  ['8000KiB', 8_192_000],
  ['4 GiB', 4_294_967_296]
])('the size %s', (text, bytes) => {
  expect(parseMemory(text)).toEqual(value(bytes))
})

test.each([
  [512, 'has no unit'],
  ['512', 'is no size'],
  ['4G', 'is no size'],
  ['4gib', 'is no size'],
  ['GiB', 'is no size'],
  ['-4GiB', 'is no size'],
  ['1e3MiB', 'is no size'],
  ['4constructor', 'is no size'],
  [true, 'is no size'],
  ['1KiB', 'is too little: at least 6MiB'],
  ['100TiB', 'is too much: at most 16TiB'],
  ['999999999999999TiB', 'is too much']
])('%j is refused as a size: %s', (input, problem) => {
  expect(parseMemory(input)).toEqual({ kind: 'problem', text: expect.stringContaining(problem) })
})

test.each([
  [1, 1_000],
  [0.1, 100],
  [0.5, 500],
  [2.125, 2_125],
  [1.001, 1_001],
  [1_024, 1_024_000]
])('%d cores', (cores, milli) => {
  expect(parseCpu(cores)).toEqual(value(milli))
})

test.each([
  ['2', 'is no number'],
  ['500m', 'is no number'],
  [null, 'is no number'],
  [Number.NaN, 'is no amount'],
  [Number.POSITIVE_INFINITY, 'is no amount'],
  [0, 'is too little: at least 0.1'],
  [-1, 'is too little'],
  [0.0994, 'is too fine'],
  [1.2345, 'is too fine'],
  [1_025, 'is too much: at most 1024']
])('%j is refused as cores: %s', (input, problem) => {
  expect(parseCpu(input)).toEqual({ kind: 'problem', text: expect.stringContaining(problem) })
})

test('every thousandth of a core is kept exactly', () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 1_024_000 }), (milli) => {
      expect(parseCpu(milli / 1_000)).toEqual(value(milli))
    }),
    { numRuns: 1_000 }
  )
})

test('whatever is written gives a whole positive number or a problem, and never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.stringMatching(/^[0-9.hmsGiBM]{0,9}$/)), (input) => {
      for (const parse of [parseDuration, parseMemory, parseCpu]) {
        const parsed = parse(input)
        if (parsed.kind === 'problem') continue
        expect(Number.isSafeInteger(parsed.value) && parsed.value > 0).toBe(true)
      }
    }),
    { numRuns: 2_000 }
  )
})
