import { describe, expect, test } from 'vitest'
import { runBatch } from './batches.ts'
import { addCounts } from './counts.ts'
import { FAULT_KINDS } from './options.ts'
import { World } from './world.ts'

/** What else must have come about, beside the faults that somebody made. */
const HAPPENINGS = [
  'absence: back with an empty store',
  'absence: back with its store',
  'absence: stays away',
  'absence: witness cut off',
  'absence: witness dead',
  'agent: attempt adopted',
  'agent: attempt in a run that is forgotten',
  'agent: attempt not adopted',
  'change: given up',
  'change: given up, and chosen after all',
  'container: ended at a SIGTERM',
  'container: ended by its guard',
  'container: ended by the guardian',
  'disk: batch whole in a crash',
  'disk: tail torn in a crash',
  'fault: store failed',
  'fault: store set back',
  'gateway: announced in other words',
  'gateway: another announcement was first',
  'gateway: delivery doubled',
  'gateway: delivery of a dropped run',
  'gateway: delivery replayed',
  'gateway: run found in an earlier epoch',
  'holder: grace over',
  'holder: network lost',
  'job: landed',
  'job: moved, witness_gone',
  'months: agent is back',
  'months: all dropped',
  'network: clogged',
  'network: doubled',
  'network: lost',
  'network: lost to a cut',
  'network: overtook another',
  'roster: a store is admitted anew',
  'roster: a witness is replaced',
  'roster: a witness is unseated',
  'roster: a zone is another',
  'witness: open, and gone elsewhere',
  'witness: run dropped',
  'witness: tombstone over'
]

describe('a simulated mesh', () => {
  test('is the same for the same seed, and another for another', () => {
    const first = new World(7).run()
    const again = new World(7).run()

    expect(again).toEqual(first)
    expect(new World(8).run().digest).not.toBe(first.digest)
  })

  test('keeps every invariant whatever fails', () => {
    const results = Array.from({ length: 50 }, (_, index) => new World(index + 1).run())

    expect(results.filter(({ violation }) => violation !== undefined)).toEqual([])
    // Else nothing was ever taken over, and the claim above would hold for nothing.
    expect(Math.max(...results.map(({ epochMax }) => epochMax))).toBeGreaterThan(1)
    expect(results.some(({ jobs }) => jobs > 3)).toBe(true)
    const { counts } = runBatch({ first: 51, count: 100 })
    const all = addCounts([counts, ...results.map((result) => result.counts)])
    // A fault that never takes effect is none that was survived.
    const missing = [...FAULT_KINDS.map((kind) => `fault: ${kind}`), ...HAPPENINGS].filter(
      (what) => {
        return all[what] === undefined
      }
    )
    expect(missing).toEqual([])
  })
})
