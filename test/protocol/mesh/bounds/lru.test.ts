import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Lru } from '../../../../protocol/mesh/bounds/lru.ts'

interface Step {
  readonly kind: 'get' | 'set' | 'delete' | 'evict' | 'has'
  readonly key: number
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('get', 'set', 'set', 'delete', 'evict', 'has'),
  key: fc.nat(6)
})

/** Oldest first. */
type Plain = [number, number][]

function apply(
  lru: Lru<number, number>,
  plain: Plain,
  max: number,
  { kind, key }: Step,
  at: number
) {
  const place = plain.findIndex(([known]) => known === key)
  const taken = (): [number, number] | undefined => plain.splice(place, 1)[0]
  switch (kind) {
    case 'has':
      return expect(lru.has(key)).toBe(place >= 0)
    case 'get': {
      const entry = place < 0 ? undefined : taken()
      if (entry !== undefined) plain.push(entry)
      return expect(lru.get(key)).toBe(entry?.[1])
    }
    case 'set': {
      if (place >= 0) taken()
      plain.push([key, at])
      const gone = plain.length > max ? plain.shift() : undefined
      return expect(lru.set(key, at)).toEqual(gone)
    }
    case 'delete':
      if (place >= 0) taken()
      return expect(lru.delete(key)).toBe(place >= 0)
    case 'evict':
      return expect(lru.evict()).toEqual(plain.shift())
    default:
      return kind satisfies never
  }
}

test('an Lru keeps and gives up what a plain list of uses says', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), (max, steps) => {
      const lru = new Lru<number, number>(max)
      const plain: Plain = []
      for (const [at, each] of steps.entries()) {
        apply(lru, plain, max, each, at)
        expect(lru.size).toBe(plain.length)
      }
    })
  )
})
