import { expect, test } from 'vitest'
import { addCounts } from './counts.ts'
import { SCHEDULES } from './schedules.ts'
import { World } from './world.ts'

/** What must have come about for the claim to hold for something. */
const HAPPENINGS = [
  'agent: attempt in a run that is forgotten',
  'months: agent is back',
  'months: all dropped',
  'months: announced again',
  'months: late accept',
  'months: late prepare',
  'months: late read',
  'months: late renew',
  'witness: open, and gone elsewhere',
  'witness: tombstone over'
]

test('nothing that ended begins again once its tombstones are over, and who comes back is done with it', () => {
  const results = Array.from({ length: 20 }, (_, index) => {
    return new World(index + 1, SCHEDULES.months).run()
  })

  expect(results.filter(({ violation }) => violation !== undefined)).toEqual([])
  const all = addCounts(results.map(({ counts }) => counts))
  expect(HAPPENINGS.filter((what) => all[what] === undefined)).toEqual([])
})
