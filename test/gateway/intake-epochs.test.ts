import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Recorder } from '../../gateway/ports.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { eventually } from '../support/eventually.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { deliveryOf, IntakeRig, PATIENT } from '../support/intake-rig.ts'

let rig: IntakeRig

beforeEach(async () => {
  rig = await IntakeRig.make()
})

afterEach(() => rig.stop())

function epochOf(runId: string): number | undefined {
  return rig.registers.chosen.get(runId)?.announcement.witnessEpoch
}

test('a run whose epoch is sealed is announced anew under the current one', async () => {
  const delivery = await rig.put(deliveryOf(1))
  rig.registers.beginsFrom = 3
  const clock = new FakeClock()
  const intake = rig.intake({ clock, random: PATIENT })
  await intake.start()
  // The gateway does not know the later roster yet.
  await eventually('it waits for a roster', () => clock.armed() > 0)
  expect(rig.registers.chosen.size).toBe(0)

  rig.registers.epoch = 3
  intake.wake()
  expect((await rig.settled(delivery)).state).toBe('recorded')

  expect(epochOf(delivery.runId)).toBe(3)
  const [first, , last] = rig.registers.proposed.map(({ announcement }) => announcement)
  expect(first?.witnessEpoch).toBe(1)
  expect(last?.gwSeq).toBeGreaterThan(first?.gwSeq ?? 0)
  expect(last?.manifest).toEqual(first?.manifest)
  const { inbox } = rig.store
  expect(await inbox.epochOf(delivery.runId)).toBe(3)
  // What it may have left in the first one is still asked for.
  expect(await inbox.firstEpochOf(delivery.runId)).toBe(1)
})

test('a run that its seal finds under the old number keeps that number open', async () => {
  const delivery = await rig.put(deliveryOf(1))
  rig.registers.beginsFrom = 3
  const clock = new FakeClock()
  const intake = rig.intake({ clock, random: PATIENT })
  await intake.start()
  await eventually('it waits for a roster', () => clock.armed() > 0)
  // An accept of it was on its way, and whoever seals the epoch finishes it.
  const [early] = rig.registers.proposed
  if (early === undefined) throw new Error('nothing was proposed')
  rig.registers.chosen.set(delivery.runId, early)
  rig.registers.epoch = 3
  intake.wake()
  await rig.settled(delivery)
  expect(rig.registers.published).toEqual([delivery.runId])

  const { inbox } = rig.store
  const open = inbox.openAnnouncements().map(({ gwSeq }) => gwSeq)
  expect(open).toContain(early.announcement.gwSeq)
  // Below the floor its jobs would be gone before they began.
  await inbox.closeAnnouncements(open.filter((gwSeq) => gwSeq !== early.announcement.gwSeq))
  expect(inbox.floor()).toBeLessThan(early.announcement.gwSeq)
})

test('a recorded run of an epoch that was given up begins anew, once', async () => {
  const [open, ended] = [await rig.put(deliveryOf(1)), await rig.put(deliveryOf(2))]
  const intake = rig.intake()
  await intake.start()
  for (const delivery of [open, ended]) await rig.settled(delivery)
  await intake.ended(ended.runId)
  await intake.beginAnew()
  expect(rig.registers.proposed).toHaveLength(2)

  rig.registers.epoch = 2
  rig.registers.lost = [1]
  await intake.beginAnew()
  await eventually('it begins anew', () => epochOf(open.runId) === 2)
  expect((await rig.settled(open)).openEpoch).toBe(2)
  await intake.beginAnew()

  expect(epochOf(ended.runId)).toBe(1)
  expect(rig.registers.proposed.map(({ announcement }) => announcement.witnessEpoch)).toEqual([
    1, 1, 1, 2
  ])
})

test('a gateway that was away while the epoch was given up begins its runs anew', async () => {
  const delivery = await rig.put(deliveryOf(1))
  await rig.intake().start()
  await rig.settled(delivery)
  await rig.restart()
  rig.registers.epoch = 2
  rig.registers.lost = [1]

  const intake = rig.intake()
  await intake.start()
  await intake.beginAnew()

  await eventually('it begins anew', () => epochOf(delivery.runId) === 2)
})

test('a run that waits for an earlier witness epoch says so to whoever asks for it', async () => {
  const delivery = await rig.put(deliveryOf(1))
  const facts = { epoch: 1, answered: 1, witnesses: 5, quorum: 3 }
  const error = new MeshError('EPOCH_UNREACHABLE', facts)
  let isAway = true
  const registers = rig.registers
  const recorder: Recorder = {
    witnessEpoch: () => registers.witnessEpoch(),
    isLost: (epoch) => registers.isLost(epoch),
    publish: (sealed) => registers.publish(sealed),
    recordRun: async (sealed) => {
      if (isAway) throw error
      return await registers.recordRun(sealed)
    }
  }
  const intake = rig.intake({ recorder })
  await intake.start()
  const reasonOf = async () => (await rig.stateOf(delivery))?.reason

  await eventually('it says why', async () => (await reasonOf()) === error.message)
  isAway = false
  intake.wake()
  expect(await rig.settled(delivery)).toMatchObject({ state: 'recorded' })
  expect(await reasonOf()).not.toContain('epoch')
})
