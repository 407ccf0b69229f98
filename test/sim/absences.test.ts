import { expect, test } from 'vitest'
import { addCounts } from './counts.ts'
import { SCHEDULES } from './schedules.ts'
import { World } from './world.ts'

/** What must have come about for the claim to hold for something. */
const HAPPENINGS = [
  'absence: back with an empty store',
  'absence: back with an old copy',
  'absence: back with its store',
  'absence: stays away',
  'absence: witness cut off',
  'absence: witness dead',
  'job: moved, witness_away',
  'job: moved, witness_gone'
]

test('jobs move off witnesses that are away for long, and no invariant breaks when those return', () => {
  const results = Array.from({ length: 20 }, (_, index) => {
    return new World(index + 1, SCHEDULES.absences).run()
  })

  expect(results.filter(({ violation }) => violation !== undefined)).toEqual([])
  const all = addCounts(results.map(({ counts }) => counts))
  expect(HAPPENINGS.filter((what) => all[what] === undefined)).toEqual([])
})
