import { expect, test } from 'vitest'
import { healthOf } from '../../../protocol/mesh/health.ts'
import { RosterLookups } from '../../../protocol/mesh/joining/roster-lookups.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { sealRoster } from '../../../protocol/wire/roster-codec.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { memberEntry, rosterOf } from '../../support/mesh-nodes.ts'

function rosterFor(count: number) {
  const authority = generateKey()
  const entries = Array.from({ length: count }, () => memberEntry(generateKey().peerId))
  return sealRoster(authority, rosterOf(authority, entries))
}

test('a member without a roster has no quorum', () => {
  const health = healthOf({ roster: undefined, peerId: 'me', linked: new Set() })

  expect(health).toEqual({ witnesses: [], w: 0, quorum: 0, reachable: 0, hasQuorum: false })
})

test.each([
  [3, 2, true],
  [3, 1, false],
  [4, 3, true],
  [4, 2, false],
  [6, 4, true],
  [6, 3, false]
])('of %i witnesses %i reachable ones give every run a quorum: %s', (total, up, hasQuorum) => {
  const roster = rosterFor(total)
  const peers = roster.roster.members.map(({ peerId }) => peerId)
  const [me = '', ...others] = peers.slice(0, up)

  const health = healthOf({ roster, peerId: me, linked: new Set(others) })

  expect(health).toMatchObject({ reachable: up, hasQuorum })
  expect(health.witnesses.filter(({ reachable }) => reachable)).toHaveLength(up)
})

test('a roster that nobody has is not asked for without end', async () => {
  const clock = new FakeClock()
  const asked: number[] = []
  const fetch = async (witnessEpoch: number) => {
    asked.push(witnessEpoch)
    return false
  }
  const lookups = new RosterLookups({ exchange: { fetch }, clock })

  for (let round = 0; round < 50; round += 1) {
    lookups.want(9)
    await clock.advance(100)
  }

  expect(asked).toEqual([9])
  await clock.advance(10_000)
  lookups.want(9)
  await lookups.stop()
  lookups.want(8)
  expect(asked).toEqual([9, 9])
})
