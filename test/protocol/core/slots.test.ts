import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  compareIds,
  type LiveSlot,
  type SlotRules,
  slotPlan,
  type WaitingJob
} from '../../../protocol/core/slots.ts'

const ids = fc.integer({ min: 1, max: 12 }).map(String)

const waiting = fc.uniqueArray(fc.record({ id: ids, isReady: fc.boolean() }), {
  selector: ({ id }) => id,
  maxLength: 8
})

const slots: fc.Arbitrary<readonly LiveSlot[]> = fc
  .array(fc.record({ job: ids, standing: fc.constantFrom('queued', 'held', 'busy') }), {
    maxLength: 8
  })
  .map((all) => all.map((slot, index) => ({ id: `slot-${index}`, ...slot })) as LiveSlot[])

const rules: fc.Arbitrary<SlotRules> = fc.record({
  slotsMax: fc.integer({ min: 1, max: 6 }),
  takes: fc.constantFrom('any', 'own')
})

const worlds = fc.record({ waiting, slots, rules })

interface World {
  readonly waiting: readonly WaitingJob[]
  readonly slots: readonly LiveSlot[]
  readonly rules: SlotRules
}

const planOf = ({ waiting: jobs, slots: live, rules: by }: World) => slotPlan(jobs, live, by)

/** The world once its plan is carried out and nothing else has happened. */
function after(world: World): World {
  const { start, end } = planOf(world)
  const ended = new Set(end.map(({ id }) => id))
  const begun = start.map(({ id }) => ({ id: `new-${id}`, job: id, standing: 'queued' as const }))
  return { ...world, slots: [...world.slots.filter(({ id }) => !ended.has(id)), ...begun] }
}

const free = ({ standing }: LiveSlot): boolean => standing !== 'busy'

test('a label set has one free slot for each job that waits, as far as its limit and its jobs allow', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const all = world.waiting.map((job) => ({ ...job, isReady: true }))
      const settled = after({ ...world, waiting: all })

      const { slotsMax } = world.rules
      const room = Math.max(slotsMax, world.slots.length)
      expect(settled.slots.length).toBeLessThanOrEqual(room)
      if (settled.slots.length < slotsMax && world.rules.takes === 'any') {
        expect(settled.slots.filter(free)).toHaveLength(all.length)
      }
    })
  )
})

test('a plan that was carried out leaves nothing to do', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const settled = after(world)

      const { start, end } = planOf(settled)

      expect(end).toEqual([])
      // Where slots went, there is room that the plan did not count on.
      if (planOf(world).end.length === 0) expect(start).toEqual([])
    })
  )
})

test('no slot that has a job is ended, and no job gets a second free slot of its name', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { start, end } = planOf(world)

      expect(end.every(free)).toBe(true)
      const named = new Set(world.slots.filter(free).map(({ job }) => job))
      expect(start.every(({ id, isReady }) => isReady && !named.has(id))).toBe(true)
      expect(new Set(start.map(({ id }) => id)).size).toBe(start.length)
    })
  )
})

test('whoever has the same view comes to the same plan, in whatever order it was learned', () => {
  const shuffled = worlds.chain((world) =>
    fc.record({
      world: fc.constant(world),
      waiting: fc.shuffledSubarray([...world.waiting], { minLength: world.waiting.length }),
      slots: fc.shuffledSubarray([...world.slots], { minLength: world.slots.length })
    })
  )
  fc.assert(
    fc.property(shuffled, ({ world, ...other }) => {
      expect(planOf({ ...world, ...other })).toEqual(planOf(world))
    })
  )
})

test('it never starts and ends slots at once where a runner takes any job', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { start, end } = planOf({ ...world, rules: { ...world.rules, takes: 'any' } })

      expect(Math.min(start.length, end.length)).toBe(0)
    })
  )
})

test('where a runner has one job alone, a free slot whose job waits no more is ended', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { end } = planOf({ ...world, rules: { ...world.rules, takes: 'own' } })

      const waits = new Set(world.waiting.map(({ id }) => id))
      const kept = world.slots.filter((slot) => free(slot) && !end.includes(slot))
      expect(kept.every(({ job }) => waits.has(job))).toBe(true)
      expect(new Set(kept.map(({ job }) => job)).size).toBe(kept.length)
    })
  )
})

test('a runner that got another job than it was started for is not missed, and that job is served', () => {
  const rule = { slotsMax: 4, takes: 'any' } as const
  const jobs = [{ id: '7', isReady: true }]
  const taken = { id: 'a', job: '7', standing: 'busy' } as const
  const spare = { id: 'b', job: '9', standing: 'held' } as const

  expect(slotPlan(jobs, [taken, spare], rule)).toEqual({ start: [], end: [] })
  expect(slotPlan(jobs, [taken], rule)).toEqual({ start: jobs, end: [] })
})

test('what is ended first is what nobody holds and whose job is gone', () => {
  const rule = { slotsMax: 4, takes: 'any' } as const
  const slotOf = (id: string, job: string, standing: LiveSlot['standing']) => ({
    id,
    job,
    standing
  })
  const all = [slotOf('a', '1', 'held'), slotOf('b', '2', 'queued'), slotOf('c', '3', 'held')]
  const jobs = [{ id: '1', isReady: true }]

  expect(slotPlan(jobs, all, rule).end.map(({ id }) => id)).toEqual(['b', 'c'])
})

test('numbers of a forge are compared as numbers', () => {
  expect(['10', '9', '100', '1'].toSorted(compareIds)).toEqual(['1', '9', '10', '100'])
})
