import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BALLOT_JUMP_MAX, CHANGES_QUEUED_MAX } from '../../../protocol/core/limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { syncCover } from '../../../protocol/mesh/board/sync-cover.ts'
import { Background } from '../../../protocol/mesh/bounds/background.ts'
import { Lru } from '../../../protocol/mesh/bounds/lru.ts'
import { pause } from '../../../protocol/mesh/bounds/pause.ts'
import { linkSignals, stopController } from '../../../protocol/mesh/bounds/stop-controller.ts'
import { WorkMeter } from '../../../protocol/mesh/bounds/work-meter.ts'
import { RegisterLanes } from '../../../protocol/mesh/registers/register-lanes.ts'
import { RoundMemory } from '../../../protocol/mesh/registers/round-memory.ts'
import { FakeClock } from '../../support/fake-clock.ts'

test('what a peer owes it has to earn first, up to a burst of it', async () => {
  const clock = new FakeClock()
  const meter = new WorkMeter(clock, { unitsPerS: 10, burstUnits: 5, peersMax: 10 })
  meter.owe('a', 3)
  expect([meter.take('a', 2), meter.take('a', 1), meter.take('b', 5)]).toEqual([true, false, true])
  meter.owe('a', 1_000)

  await clock.advance(500)
  expect(meter.take('a', 1)).toBe(false)
  await clock.advance(100)
  expect(meter.take('a', 1)).toBe(true)
})

test('an Lru gives up what was used longest ago, and says so', () => {
  const lru = new Lru<string, number>(2)
  lru.set('a', 1)
  lru.set('b', 2)
  lru.get('a')

  expect(lru.set('c', 3)).toEqual(['b', 2])
  expect([lru.get('a'), lru.get('b'), lru.get('c'), lru.size]).toEqual([1, undefined, 3, 2])
})

test('an Lru gives up in order of use, whatever is used and deleted between', () => {
  const keys = [0, 1, 2, 3, 4, 5, 6]
  const without = (order: number[], key: number): number[] => order.filter((it) => it !== key)
  /** Each does what it says, and gives the keys, in order of use, that should be left. */
  const calls = {
    set: (lru: Lru<number, number>, order: number[], key: number) => {
      const rest = without(order, key)
      expect(lru.set(key, key)?.[0]).toBe(rest.length === 3 ? rest[0] : undefined)
      return [...rest, key].slice(-3)
    },
    get: (lru: Lru<number, number>, order: number[], key: number) => {
      return lru.get(key) === undefined ? order : [...without(order, key), key]
    },
    delete: (lru: Lru<number, number>, order: number[], key: number) => {
      expect(lru.delete(key)).toBe(order.includes(key))
      return without(order, key)
    },
    evict: (lru: Lru<number, number>, order: number[]) => {
      expect(lru.evict()?.[0]).toBe(order[0])
      return order.slice(1)
    }
  }
  const drawn = fc.tuple(fc.constantFrom('set', 'set', 'get', 'delete', 'evict'), fc.nat(6))
  fc.assert(
    fc.property(fc.array(drawn, { maxLength: 60 }), (all) => {
      const lru = new Lru<number, number>(3)
      let order: number[] = []
      for (const [call, key] of all) {
        order = calls[call](lru, order, key)
        expect(keys.filter((it) => lru.has(it))).toEqual([...order].sort())
      }
    }),
    { numRuns: 300 }
  )
})

test('a peer that spent its burst earns more with time, and no other peer pays for it', async () => {
  const clock = new FakeClock()
  const meter = new WorkMeter(clock, { unitsPerS: 10, burstUnits: 5, peersMax: 10 })

  expect(meter.take('a', 5)).toBe(true)
  expect(meter.take('a', 1)).toBe(false)
  expect(meter.take('b', 5)).toBe(true)
  await clock.advance(100)
  expect([meter.take('a', 1), meter.take('a', 1)]).toEqual([true, false])
  await clock.advance(10_000)
  expect([meter.take('a', 5), meter.take('a', 1)]).toEqual([true, false])
})

test('rounds never go back, not even of a register that was forgotten', () => {
  const rounds = new RoundMemory(2)
  rounds.note('a', 7)
  rounds.note('a', 3)
  expect(rounds.next('a')).toBe(8)

  rounds.note('b', 1)
  rounds.note('c', 1)

  expect(rounds.next('a')).toBe(8)
  expect(rounds.next('new')).toBe(8)
})

test('a register dragged far up does not take new ones out of the reach of witnesses', () => {
  const rounds = new RoundMemory(1)
  rounds.note('hostile', 2 ** 50)
  rounds.note('b', 1)

  expect(rounds.next('new')).toBeLessThan(BALLOT_JUMP_MAX)
})

test('tasks of one lane run one after the other, those of another beside them', async () => {
  const lanes = new RegisterLanes()
  const order: string[] = []
  const first = Promise.withResolvers<void>()
  const running = [
    lanes.run('a', async () => {
      order.push('a1')
      await first.promise
      throw new Error('failed')
    }),
    lanes.run('a', async () => {
      order.push('a2')
    }),
    lanes.run('b', async () => {
      order.push('b1')
    })
  ]
  await running[2]
  expect(order).toEqual(['a1', 'b1'])

  first.resolve()

  await expect(running[0]).rejects.toThrow('failed')
  await running[1]
  expect(order).toEqual(['a1', 'b1', 'a2'])
})

test('a lane that is full refuses, and takes again once it has run dry', async () => {
  const lanes = new RegisterLanes()
  const gate = Promise.withResolvers<void>()
  const all = Array.from({ length: CHANGES_QUEUED_MAX }, () => lanes.run('a', () => gate.promise))

  await expect(lanes.run('a', async () => 1)).rejects.toMatchObject({ code: 'OVERLOADED' })
  gate.resolve()
  await Promise.all(all)
  expect(await lanes.run('a', async () => 1)).toBe(1)
})

test('background tasks are bounded, and a stop waits for those that run', async () => {
  const background = new Background(silentLog(), 1)
  const gate = Promise.withResolvers<void>()
  let isDone = false

  expect(background.run('one', () => gate.promise.then(() => Promise.reject(new Error('x'))))).toBe(
    true
  )
  expect(background.run('two', async () => undefined)).toBe(false)
  const stopped = background.stop().then(() => {
    isDone = true
  })
  expect(isDone).toBe(false)
  gate.resolve()
  await stopped
  expect(background.run('late', async () => undefined)).toBe(false)
})

test('a pause ends by its time or by its signal, and leaves nothing armed', async () => {
  const clock = new FakeClock()
  const stop = stopController()
  const paused = pause(clock, 1_000, linkSignals(stop.signal, new AbortController().signal))
  expect(clock.armed()).toBe(1)

  stop.abort()
  await paused

  expect(clock.armed()).toBe(0)
  await pause(clock, 1_000, stop.signal)
  await clock.settle(pause(clock, 1_000, new AbortController().signal), 1_000)
})

test('anti-entropy visits all of a few witnesses, and of many a cover that turns', () => {
  const few = Array.from({ length: 20 }, (_, index) => index)
  const many = Array.from({ length: 30 }, (_, index) => index)

  expect(syncCover(few, 5, 3)).toEqual(few)
  const periods = Array.from({ length: 6 }, (_, period) => new Set(syncCover(many, 5, period)))
  for (const period of periods) expect(period.size).toBe(26)
  // Whatever five witnesses hold a run, one of them is visited in every period; all are in turn.
  for (const period of periods) expect(30 - period.size).toBeLessThan(5)
  const left = many.filter((witness) => periods.some((period) => !period.has(witness)))
  expect(left).toHaveLength(24)
})
