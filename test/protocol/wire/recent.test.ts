import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Recent } from '../../../protocol/wire/recent.ts'

const keys = fc.oneof(
  fc.integer({ min: -3, max: 12 }),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
)

test.each([4, 8, 512])(
  'of %i places, what is found is what was set last, and the last four are',
  (max) => {
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 60 }), (all) => {
        const recent = new Recent<string>(max)
        for (const [at, key] of all.entries()) {
          recent.set(key, `${at}`)
          const lastFirst = [...new Set(all.slice(0, at + 1).reverse())]
          for (const [age, other] of lastFirst.entries()) {
            const found = recent.get(other)
            if (age < 4 || found !== undefined) expect(found).toBe(`${all.lastIndexOf(other, at)}`)
          }
          expect(
            lastFirst.filter((other) => recent.get(other) !== undefined).length
          ).toBeLessThanOrEqual(max)
        }
      })
    )
  }
)

test('a key that was never set is not found, also not the one that an empty place might look like', () => {
  const recent = new Recent<string>(8)
  for (const key of [0, -1, 1, 2 ** 31 - 1, -(2 ** 31)]) expect(recent.get(key)).toBeUndefined()
})
