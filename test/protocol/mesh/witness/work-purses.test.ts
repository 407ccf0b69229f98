import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LEASE_PROFILES } from '../../../../protocol/core/lease-profile.ts'
import { MANIFEST_BYTES_MAX, RENEW_ITEMS_MAX } from '../../../../protocol/core/limits.ts'
import type { RegisterRequest } from '../../../../protocol/core/messages.ts'
import { HOST_JOBS_MAX } from '../../../../protocol/core/placement-limits.ts'
import type { LeaseProfileName } from '../../../../protocol/core/roster.ts'
import {
  WITNESS_BYTES_PER_UNIT,
  WITNESS_RELAY_WORK_BURST,
  WITNESS_RELAY_WORK_PER_S,
  WITNESS_RENEWAL_WORK_BURST,
  WITNESS_RENEWAL_WORK_PER_S,
  WITNESS_WORK_BURST,
  WITNESS_WORK_PER_S_MAX
} from '../../../../protocol/core/witness-limits.ts'
import { WorkPurses } from '../../../../protocol/mesh/witness/work-purses.ts'
import { unitsOf } from '../../../../protocol/mesh/witness/work-units.ts'
import { encodeRegisterRequest } from '../../../../protocol/wire/register-codec.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { openMesh } from '../../../support/open-mesh.ts'
import { renewalOf, scopeOf } from '../../../support/witness-asks.ts'

const LOOK: RegisterRequest = { kind: 'announcement', annHash: 'ab'.repeat(32) }
/** Bytes for which a peer owes all that it can owe. */
const RUINOUS_BYTES = 10 * WITNESS_WORK_BURST * WITNESS_BYTES_PER_UNIT
const BEATS = 60

type Message = readonly [RegisterRequest, number]

/** All that a host with as many jobs as it may have sends one witness for a renewal of them. */
async function largestLoad(itemsPerMessage: number): Promise<readonly Message[]> {
  const mesh = await openMesh()
  const [agent, witness] = [mesh.peer(1), mesh.peer(2)]
  const scope = scopeOf(witness, mesh.announce(), 255)
  const ann = { ...(scope.ann ?? expect.fail('no announcement')), gwSeq: 2 ** 40 }
  const item = renewalOf(agent, { ...scope, ann }, 2 ** 20, 'ab'.repeat(16))
  return Array.from({ length: Math.ceil(HOST_JOBS_MAX / itemsPerMessage) }, () => {
    const items = Array.from({ length: itemsPerMessage }, () => item)
    const request = { kind: 'renew', items, seenSeq: 2 ** 40 } as const
    return [request, encodeRegisterRequest(request).byteLength]
  })
}

test.each<[LeaseProfileName, string, number]>([
  ['default', 'in full messages', RENEW_ITEMS_MAX],
  ['default', 'each in a message of its own', 1],
  ['short', 'in full messages', RENEW_ITEMS_MAX],
  ['short', 'each in a message of its own', 1]
])('who owes all it can renews all %s leases that a host may have, %s', async (name, _, items) => {
  const load = await largestLoad(items)
  const clock = new FakeClock()
  const purses = new WorkPurses(clock)
  const refused: number[] = []
  for (let beat = 0; beat < BEATS; beat += 1) {
    purses.owe('agent', RUINOUS_BYTES)
    for (const [request, bytes] of load) {
      if (!purses.pay('agent', request, bytes)) refused.push(beat)
      purses.owe('agent', RUINOUS_BYTES)
      // What is kept for renewals pays for nothing else.
      expect(purses.pay('agent', LOOK, 0)).toBe(false)
    }
    await clock.advance(LEASE_PROFILES[name].renewEveryMs)
  }
  expect(refused).toEqual([])
})

test('two renewals of all short leases that come at once are paid for', async () => {
  const load = await largestLoad(1)
  const purses = new WorkPurses(new FakeClock())
  purses.owe('agent', RUINOUS_BYTES)
  const paid = [...load, ...load].map(([request, bytes]) => purses.pay('agent', request, bytes))
  expect(paid).not.toContain(false)
})

test('a peer that only renews gets what one purse earns, and what both began with', async () => {
  const [full] = await largestLoad(RENEW_ITEMS_MAX)
  const [small] = await largestLoad(1)
  const messages = [full ?? expect.fail('no message'), small ?? expect.fail('no message')] as const
  const drawn = fc.record({ isFull: fc.boolean(), times: fc.nat(3_000), thenMs: fc.nat(2_000) })
  await fc.assert(
    fc.asyncProperty(fc.array(drawn, { minLength: 1, maxLength: 12 }), async (bursts) => {
      const clock = new FakeClock()
      const purses = new WorkPurses(clock)
      let [units, ms] = [0, 0]
      for (const { isFull, times, thenMs } of bursts) {
        const [request, bytes] = messages[isFull ? 0 : 1]
        for (let at = 0; at < times; at += 1) {
          if (purses.pay('hostile', request, bytes)) units += unitsOf(request, bytes)
        }
        const atOnce = WITNESS_WORK_BURST + WITNESS_RENEWAL_WORK_BURST
        expect(units).toBeLessThanOrEqual(atOnce + (ms * WITNESS_WORK_PER_S_MAX) / 1_000 + 1e-6)
        await clock.advance(thenMs)
        ms += thenMs
      }
    }),
    { numRuns: 50 }
  )
})

test('a peer that owes all it can and floods with renewals gets what is kept for them', async () => {
  const [message] = await largestLoad(1)
  const [request, bytes] = message ?? expect.fail('no message')
  const clock = new FakeClock()
  const purses = new WorkPurses(clock)
  let units = 0
  for (let ms = 0; ms < 10_000; ms += 100) {
    purses.owe('hostile', RUINOUS_BYTES)
    for (let at = 0; at < 3_000; at += 1) {
      if (purses.pay('hostile', request, bytes)) units += unitsOf(request, bytes)
    }
    await clock.advance(100)
  }
  expect(units).toBeGreaterThan(9 * WITNESS_RENEWAL_WORK_PER_S)
  expect(units).toBeLessThanOrEqual(WITNESS_RENEWAL_WORK_BURST + 10 * WITNESS_RENEWAL_WORK_PER_S)
})

test('what one peer asks, owes and renews takes nothing from another', async () => {
  const [message] = await largestLoad(RENEW_ITEMS_MAX)
  const [request, bytes] = message ?? expect.fail('no message')
  const asks = async (isFlooded: boolean) => {
    const clock = new FakeClock()
    const purses = new WorkPurses(clock)
    const paid: boolean[] = []
    for (let at = 0; at < 200; at += 1) {
      if (isFlooded) purses.owe('hostile', RUINOUS_BYTES)
      for (let flood = 0; isFlooded && flood < 100; flood += 1) {
        purses.pay('hostile', request, bytes)
      }
      for (let ask = 0; ask < 50; ask += 1) paid.push(purses.pay('good', LOOK, 0))
      paid.push(purses.pay('good', request, bytes))
      await clock.advance(10)
    }
    return paid
  }
  const alone = await asks(false)
  expect(alone).toContain(false)
  expect(await asks(true)).toEqual(alone)
})

/** Spends the rest of a purse, and says how many units it was, to within one request. */
function restOf(purses: WorkPurses, peer: string): number {
  let units = 0
  while (purses.pay(peer, LOOK, 0)) units += unitsOf(LOOK, 0)
  return units
}

test('however much is fetched of a gateway, it pays nothing, and its relays all but so much', async () => {
  const one = fc.record({ bytes: fc.nat(MANIFEST_BYTES_MAX), thenMs: fc.nat(50) })
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 100 }), async (fetches) => {
      const clock = new FakeClock()
      const purses = new WorkPurses(clock)
      const paysAll = new WorkPurses(clock)
      let [units, ms] = [0, 0]
      for (const { bytes, thenMs } of fetches) {
        purses.fetched('relay', bytes, 'gateway')
        paysAll.fetched('relay', bytes, undefined)
        units += bytes / WITNESS_BYTES_PER_UNIT
        await clock.advance(thenMs)
        ms += thenMs
      }
      expect(restOf(purses, 'gateway')).toBe(WITNESS_WORK_BURST)
      const free = WITNESS_RELAY_WORK_BURST + (ms * WITNESS_RELAY_WORK_PER_S) / 1_000
      const [rest, restOfAll] = [restOf(purses, 'relay'), restOf(paysAll, 'relay')]
      expect(rest).toBeGreaterThanOrEqual(restOfAll)
      expect(rest - restOfAll).toBeLessThanOrEqual(free + unitsOf(LOOK, 0))
      if (units <= WITNESS_RELAY_WORK_BURST) expect(rest).toBe(WITNESS_WORK_BURST)
    }),
    { numRuns: 100 }
  )
})

test('a gateway that leaves out its own announcements owes for them', () => {
  const purses = new WorkPurses(new FakeClock())
  purses.fetched('gateway', 1_000 * WITNESS_BYTES_PER_UNIT, 'gateway')
  expect(restOf(purses, 'gateway')).toBe(WITNESS_WORK_BURST - 1_000)
})

test('one gateway uses up nothing of what is free for those of another', () => {
  const purses = new WorkPurses(new FakeClock())
  for (let at = 0; at < 100; at += 1) purses.fetched('hostile', MANIFEST_BYTES_MAX, 'flooding')
  expect(purses.pay('hostile', LOOK, 0)).toBe(false)
  purses.fetched('good', MANIFEST_BYTES_MAX, 'other')
  expect(restOf(purses, 'good')).toBe(WITNESS_WORK_BURST)
})
