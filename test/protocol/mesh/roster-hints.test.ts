import { expect, test } from 'vitest'
import { ROSTER_ERRAND_MS_MIN, ROSTER_HINTS_BURST } from '../../../protocol/core/limits.ts'
import { PROTOCOLS, TOPICS } from '../../../protocol/wire/ids.ts'
import { encodeRosterHint } from '../../../protocol/wire/roster-message.ts'
import { MemoryMembers } from '../../support/memory-members.ts'
import { NO_FAULTS } from '../../support/memory-transport.ts'

/** Members whose first rosters are exchanged, with what the first one asks and the others say. */
async function open() {
  const mesh = await MemoryMembers.open()
  await mesh.clock.advance(5_000)
  mesh.network.passed.length = 0
  const [listener] = mesh.all
  const asked = (index: number) => {
    const to = mesh.member(index).peerId
    return mesh.network.passed.filter((one) => {
      return one.protocol === PROTOCOLS.roster && one.from === listener?.peerId && one.to === to
    }).length
  }
  const hint = (index: number, version: number) => {
    const bytes = encodeRosterHint({ version, witnessEpoch: 1 })
    return mesh.member(index).node.publish(TOPICS.roster, bytes)
  }
  return { mesh, asked, hint }
}

test('a member that hints at ever newer rosters costs each other one a few requests only', async () => {
  const { mesh, asked, hint } = await open()
  for (let version = 10; version < 210; version += 1) {
    await hint(1, version)
    await mesh.clock.advance(10)
  }

  expect(asked(1)).toBeGreaterThan(0)
  expect(asked(1)).toBeLessThanOrEqual(ROSTER_HINTS_BURST + 3)
  // The others do not notice.
  await hint(2, 500)
  await mesh.clock.advance(10)
  expect(asked(2)).toBe(1)
})

test('a hint does not end what was just begun with its publisher', async () => {
  const { mesh, asked, hint } = await open()
  const hintInto = async (version: number) => {
    mesh.network.faults = NO_FAULTS
    await hint(1, version)
    // The hint arrives; what it makes the others ask gets lost.
    mesh.network.faults = { ...NO_FAULTS, lossRate: 1 }
    await mesh.clock.advance(10)
  }
  await hintInto(10)
  expect(asked(1)).toBe(1)

  await hintInto(11)
  expect(asked(1)).toBe(1)

  await mesh.clock.advance(ROSTER_ERRAND_MS_MIN)
  await hintInto(12)
  expect(asked(1)).toBe(2)
})
