import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type BootHeard, hearBoot } from '../../../protocol/core/advertisement.ts'
import { AGENT_BOOTS_MAX } from '../../../protocol/core/limits.ts'

const hearAll = (words: readonly BootHeard[]) =>
  words.reduce((heard, next) => hearBoot(heard, next) ?? heard, [] as readonly BootHeard[])

test('of one process only a higher sequence is news', () => {
  const heard = hearAll([{ boot: 'a', sequence: 5 }])
  expect(hearBoot(heard, { boot: 'a', sequence: 5 })).toBeUndefined()
  expect(hearBoot(heard, { boot: 'a', sequence: 4 })).toBeUndefined()
  expect(hearBoot(heard, { boot: 'a', sequence: 6 })).toEqual([{ boot: 'a', sequence: 6 }])
})

test('a restarted process is news though it counts from the start', () => {
  const heard = hearAll([{ boot: 'a', sequence: 900 }])
  expect(hearBoot(heard, { boot: 'b', sequence: 1 })?.[0]?.boot).toBe('b')
})

test('a late copy of the dead process is no news after the new one spoke', () => {
  const heard = hearAll([
    { boot: 'a', sequence: 900 },
    { boot: 'b', sequence: 1 }
  ])
  expect(hearBoot(heard, { boot: 'a', sequence: 899 })).toBeUndefined()
})

test("a late word of the dead process is corrected by the living one's next", () => {
  const heard = hearAll([
    { boot: 'b', sequence: 1 },
    { boot: 'a', sequence: 900 },
    { boot: 'b', sequence: 2 }
  ])
  expect(heard[0]).toEqual({ boot: 'b', sequence: 2 })
})

test('no boot ever goes back, and no more than the limit are remembered', () => {
  const words = fc.array(
    fc.record({ boot: fc.constantFrom('a', 'b', 'c'), sequence: fc.nat(20) }),
    { maxLength: 60 }
  )
  fc.assert(
    fc.property(words, (sequence) => {
      const highest = new Map<string, number>()
      let heard: readonly BootHeard[] = []
      for (const next of sequence) {
        const taken = hearBoot(heard, next)
        expect(taken !== undefined).toBe(next.sequence > (highest.get(next.boot) ?? -1))
        if (taken === undefined) continue
        heard = taken
        highest.set(next.boot, next.sequence)
        expect(heard[0]).toEqual(next)
      }
    })
  )
})

test('an agent that restarts without end costs no more memory', () => {
  const words = Array.from({ length: 100 }, (_, index) => ({ boot: `b${index}`, sequence: 1 }))
  expect(hearAll(words)).toHaveLength(AGENT_BOOTS_MAX)
})
