import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { epochsToSeal, mayBeginIn } from '../../../protocol/core/epochs.ts'
import { REDELIVERY_MS } from '../../../protocol/core/retention-limits.ts'
import type { Roster } from '../../../protocol/core/roster.ts'
import { REDELIVERY_MARGIN_MS } from '../../../protocol/core/roster-limits.ts'

const HOUR_MS = 3_600_000
const NOW_MS = 1_000 * HOUR_MS

/** Rosters of epochs 1 to n; each began at that wall clock. */
function rostersOf(sinceMs: readonly (number | undefined)[], fields: Partial<Roster> = {}) {
  const rosters = sinceMs.map((epochSinceMs, index): Roster => {
    const witnessEpoch = index + 1
    const head = {
      version: witnessEpoch,
      prevHash: '',
      witnessEpoch,
      w: 1,
      lease: 'short'
    } as const
    const rest = { authority: 'auth', members: [], revoked: [] }
    return { ...head, ...rest, ...(epochSinceMs === undefined ? {} : { epochSinceMs }), ...fields }
  })
  const current = rosters.at(-1)
  if (current === undefined) throw new Error('no epoch')
  return { current, at: (epoch: number) => rosters[epoch - 1] }
}

function hoursAgo(...hours: readonly number[]): readonly number[] {
  return hours.map((ago) => NOW_MS - ago * HOUR_MS)
}

describe('before a run is created', () => {
  test('all epochs that ended within the window are sealed, oldest first', () => {
    const sight = { ...rostersOf(hoursAgo(400, 300, 200, 60, 1)), wallMs: NOW_MS }

    // The third ended 60 hours ago, the second 200.
    expect(epochsToSeal(5, sight)).toEqual([3, 4])
    expect(epochsToSeal(3, sight)).toEqual([])
    expect(epochsToSeal(1, sight)).toEqual([])
  })

  test('epochs from before it was kept when they ended count as just ended', () => {
    const sight = { ...rostersOf([undefined, undefined, undefined]), wallMs: NOW_MS }
    expect(epochsToSeal(3, sight)).toEqual([1, 2])
    // The third began 500 hours ago: whatever came before it ended earlier still.
    const known = { ...rostersOf([undefined, undefined, ...hoursAgo(500, 1)]), wallMs: NOW_MS }
    expect(epochsToSeal(4, known)).toEqual([3])
  })

  test('those without a gateway and those given up are left out, the own ones never', () => {
    const hours = hoursAgo(5, 4, 3, 2, 1)
    const wallMs = NOW_MS
    const from3 = { ...rostersOf(hours, { runsFromEpoch: 3 }), wallMs }
    const lost = { ...rostersOf(hours, { lostEpochs: [2, 3] }), wallMs }
    const old = { ...rostersOf(hoursAgo(900, 800, 700, 600, 500)), wallMs }

    expect(epochsToSeal(5, from3)).toEqual([3, 4])
    expect(epochsToSeal(5, lost)).toEqual([1, 4])
    expect(epochsToSeal(5, old)).toEqual([])
    expect(epochsToSeal(5, old, 3)).toEqual([3, 4])
  })
})

describe('a run begins', () => {
  test('in the current epoch, and in earlier ones for the window alone', () => {
    const sight = { ...rostersOf(hoursAgo(400, 100, 10, 1)), wallMs: NOW_MS }
    expect([1, 2, 3, 4].map((epoch) => mayBeginIn(epoch, sight))).toEqual([false, true, true, true])
  })

  test('in none that was given up, nor where it is not known when it ended', () => {
    const sight = { ...rostersOf(hoursAgo(4, 3, 2, 1), { lostEpochs: [3] }), wallMs: NOW_MS }
    expect(mayBeginIn(3, sight)).toBe(false)
    expect(mayBeginIn(2, sight)).toBe(true)
    const gap = { ...sight, at: (epoch: number) => (epoch === 3 ? undefined : sight.at(epoch)) }
    expect(mayBeginIn(2, gap)).toBe(false)
  })
})

test('where one gateway may begin a run, every other one whose clock is near seals it', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 6 })
  const known = fc.array(fc.boolean(), { minLength: 7, maxLength: 7 })
  fc.assert(
    fc.property(
      steps,
      known,
      fc.integer({ min: 0, max: 120 }),
      fc.integer({ min: -REDELIVERY_MARGIN_MS, max: REDELIVERY_MARGIN_MS }),
      (hours, isKnown, hoursLater, driftMs) => {
        let sinceMs = 0
        const began = [undefined, ...hours.map((by) => (sinceMs += by * HOUR_MS))]
        const { current, at } = rostersOf(began)
        const wallMs = sinceMs + hoursLater * HOUR_MS
        const sealer = { current, at, wallMs: wallMs + driftMs }
        // The one that begins has not all of the rosters in between.
        const partly = (epoch: number) => (isKnown[epoch] === true ? at(epoch) : undefined)
        const beginner = { current, at: partly, wallMs }
        for (let epoch = 1; epoch < current.witnessEpoch; epoch += 1) {
          if (!mayBeginIn(epoch, beginner)) continue
          expect(epochsToSeal(current.witnessEpoch, sealer)).toContain(epoch)
        }
      }
    )
  )
  expect(REDELIVERY_MS).toBeGreaterThan(REDELIVERY_MARGIN_MS)
})
