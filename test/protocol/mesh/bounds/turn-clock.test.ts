import { expect, test } from 'vitest'
import { TurnClock } from '../../../../protocol/mesh/bounds/turn-clock.ts'

/** A clock that is later at every look. */
function looked(): { clock: TurnClock; looks: () => number } {
  let looks = 0
  const bootMs = (): number => {
    looks += 1
    return looks
  }
  return { clock: new TurnClock({ bootMs }), looks: () => looks }
}

test('all that one turn has brought looks at the clock once', async () => {
  const { clock, looks } = looked()
  const ask = async (): Promise<number> => {
    // As a witness does for a register that is in memory.
    await undefined
    return clock.bootMs()
  }

  expect(await Promise.all(Array.from({ length: 64 }, ask))).toEqual(Array(64).fill(1))
  expect(looks()).toBe(1)
})

test('the next turn has a time of its own, whatever it is that begins it', async () => {
  const { clock } = looked()
  const times = [clock.bootMs(), clock.bootMs()]
  await new Promise<void>((resolve) => setImmediate(resolve))
  times.push(clock.bootMs())
  await new Promise<void>((resolve) => process.nextTick(resolve))
  times.push(clock.bootMs())

  expect(times).toEqual([1, 1, 2, 3])
})
