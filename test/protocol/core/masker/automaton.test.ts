import fc from 'fast-check'
import { expect, test } from 'vitest'
import { automatonOf } from '../../../../protocol/core/masker/automaton.ts'

const text = (max: number) =>
  fc
    .array(fc.constantFrom(1, 2, 3), { minLength: 1, maxLength: max })
    .map((all) => new Uint8Array(all))

const endsWith = (whole: Uint8Array, part: Uint8Array): boolean =>
  part.length <= whole.length && part.every((byte, at) => whole.at(at - part.length) === byte)

test('a state knows the longest pattern that ends there and the longest that may go on', () => {
  fc.assert(
    fc.property(fc.array(text(6), { minLength: 1, maxLength: 8 }), text(60), (patterns, read) => {
      const { next, ends, depths } = automatonOf(patterns)
      let state = 0
      for (let at = 1; at <= read.length; at += 1) {
        state = next(state, read[at - 1] ?? 0)
        const seen = read.slice(0, at)
        const whole = patterns.filter((pattern) => endsWith(seen, pattern))
        const begun = patterns.flatMap((pattern) =>
          [...pattern.keys()]
            .map((length) => length + 1)
            .filter((length) => endsWith(seen, pattern.subarray(0, length)))
        )
        expect(ends[state]).toBe(Math.max(0, ...whole.map(({ length }) => length)))
        expect(depths[state]).toBe(Math.max(0, ...begun))
      }
    })
  )
})

test('states beyond the rows of the table are reached as well', () => {
  const long = Uint8Array.from({ length: 20_000 }, (_, at) => (at * 7) % 251)
  const { next, ends, rowCount } = automatonOf([long])
  let state = 0
  for (const byte of long) state = next(state, byte)

  expect(rowCount).toBeLessThan(long.length)
  expect(ends[state]).toBe(long.length)
})
