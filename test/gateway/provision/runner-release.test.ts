import { expect, test } from 'vitest'
import { GivenSeal } from '../../../gateway/provision/given-seal.ts'
import { RunnerRelease } from '../../../gateway/provision/runner-release.ts'
import { PROVISION_ENDING_MAX } from '../../../protocol/core/provision-limits.ts'
import { runIdOf } from '../../../protocol/core/run.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { eventually } from '../../support/eventually.ts'
import { forgeRig } from '../../support/forge-rig.ts'
import { IntakeRig } from '../../support/intake-rig.ts'
import { SlotGateway, SlotMesh, slotRig } from '../../support/provision-rig.ts'
import {
  giveJob,
  heldSlot,
  LABELS,
  LOOK_MS,
  liveFor,
  looking,
  queue,
  slotOf,
  told
} from '../../support/slot-steps.ts'

test('a runner that has a job is not ended, though nobody waits any more', async () => {
  const rig = await slotRig('gitea', { idle: '1m' })
  const job = queue(rig)
  const slot = await heldSlot(rig, job)
  await giveJob(rig, slot)

  const asked = rig.rig.forge.seen.length
  const endMs = rig.world.clock.bootMs() + 5 * LOOK_MS
  await looking(rig, 'it has looked again', () => {
    return rig.rig.forge.seen.length > asked + 8 && rig.world.clock.bootMs() > endMs
  })

  expect(rig.world.board.job(slot)?.state?.cancel).toBeUndefined()
  expect(rig.actions.runners).toHaveLength(1)
})

test('a runner that no job comes to ends after its limit', async () => {
  const rig = await slotRig('github', { idle: '2m' })
  const job = queue(rig)
  const slot = await heldSlot(rig, job)
  await rig.gateway.configure(rig.world, slot)

  await looking(rig, 'it is asked to end', () => rig.world.board.job(slot)?.state?.cancel)

  expect(rig.world.board.job(slot)?.state?.cancel?.reason).toContain('no job came')
  expect(rig.actions.runners).toEqual([])
})

test('slots that ended before they had a runner are remembered, up to a limit', () => {
  const nothing = { find: () => undefined, of: () => undefined, names: () => undefined }
  const parts = {
    ...{ repositories: nothing, apis: nothing, book: {} as never, names: nothing.names },
    ...{ seal: new GivenSeal('no-key'), clock: { wallMs: () => 0 }, log: silentLog() }
  }
  const release = new RunnerRelease(parts)
  for (let count = 0; count < PROVISION_ENDING_MAX + 5; count += 1) release.end(`run-${count}.0`)
  expect(release.ending).toBe(PROVISION_ENDING_MAX)
})

test('an attempt that asks again gets the same configuration, and the next one another', async () => {
  const rig = await slotRig('github')
  const job = queue(rig)
  const slot = await heldSlot(rig, job)

  const [first, again] = await Promise.all([
    rig.gateway.configure(rig.world, slot),
    rig.gateway.configure(rig.world, slot)
  ])
  rig.world.claim(slot)
  const next = await rig.gateway.configure(rig.world, slot)

  expect(again).toEqual(first)
  expect(next).not.toEqual(first)
  expect(rig.actions.registered).toHaveLength(2)
  // What the lost attempt was given can take no job any more.
  expect(rig.actions.runners).toEqual([rig.actions.registered[1]])
})

test('a slot of a run that has begun anew gets a runner of its own, though its epochs are the same', async () => {
  const rig = await slotRig('github')
  const job = queue(rig)
  const slot = await heldSlot(rig, job)
  const first = await rig.gateway.configure(rig.world, slot)

  rig.gateway.room.beginAnew(runIdOf(slot))
  const next = await rig.gateway.configure(rig.world, slot)

  expect(next).toHaveLength(first?.length ?? 0)
  expect(next).not.toEqual(first)
  expect(rig.actions.registered).toHaveLength(2)
  expect(rig.actions.runners).toEqual([rig.actions.registered[1]])
})

test('a slot whose runner had a job when its host was lost is not tried again, but ended', async () => {
  const rig = await slotRig('github')
  const job = queue(rig)
  const slot = await heldSlot(rig, job)
  await giveJob(rig, slot)

  rig.world.claim(slot)

  expect(await rig.gateway.configure(rig.world, slot)).toBeUndefined()
  await eventually('it is asked to end', () => {
    return rig.world.board.job(slot)?.state?.cancel?.reason.includes('its host was lost')
  })
  expect(rig.actions.registered).toHaveLength(1)
})

test('after a restart an attempt whose configuration is lost gets another runner, not a second', async () => {
  const rig = await slotRig('gitea')
  const job = queue(rig)
  const slot = await heldSlot(rig, job)
  await rig.gateway.configure(rig.world, slot)
  await rig.gateway.stop()

  const anew = await SlotGateway.start(rig.world, rig.rig, 'gitea', {}, rig.gateway.store)

  expect(await anew.configure(rig.world, slot)).toHaveLength(2)
  expect(rig.actions.registered).toHaveLength(2)
  expect(rig.actions.runners).toHaveLength(1)
})

test('an attempt that goes on after a restart of its agent gets what it was given, also while it ends', async () => {
  const rig = await slotRig('github', { idle: '2m' })
  const job = queue(rig)
  const slot = await heldSlot(rig, job)
  const given = await rig.gateway.configure(rig.world, slot)

  const again = await rig.gateway.configure(rig.world, slot, true)
  await looking(rig, 'it is asked to end', () => rig.world.board.job(slot)?.state?.cancel)

  expect(again).toEqual(given)
  expect(await rig.gateway.configure(rig.world, slot, true)).toEqual(given)
  expect(rig.actions.registered).toHaveLength(1)
})

test.each(['gitea', 'github', 'forgejo'] as const)(
  'a gateway that was restarted as well gives it what it was given, makes no second runner of %s and parts it from none',
  async (kind) => {
    const rig = await slotRig(kind)
    const job = queue(rig)
    const slot = await heldSlot(rig, job)
    const given = await rig.gateway.configure(rig.world, slot)
    const [runner] = rig.actions.runners
    await rig.gateway.stop()
    const anew = await SlotGateway.start(rig.world, rig.rig, kind, {}, rig.gateway.store)
    await looking(rig, 'it has looked', () => rig.rig.forge.seen.length > 8)

    expect(await anew.configure(rig.world, slot, true)).toEqual(given)
    expect(rig.actions.registered).toEqual([runner])
    expect(rig.actions.runners).toEqual([runner])
    expect(rig.world.board.job(slot)?.state?.cancel).toBeUndefined()
  }
)

test('what a slot leaves at its forge is removed; what a job runs on, and others, is not', async () => {
  const rig = await slotRig('forgejo')
  const [job, other] = [queue(rig), queue(rig)]
  await looking(rig, 'two slots', () => rig.world.live().length === 2)
  const [slot, busy] = [slotOf(rig, job), slotOf(rig, other)]
  for (const each of [slot, busy]) {
    rig.world.claim(each)
    await rig.gateway.configure(rig.world, each)
  }
  const [, second] = rig.actions.registered
  if (second !== undefined) rig.actions.give(second, other.handle)
  const stranger = rig.actions.register('somebody', LABELS)

  rig.world.end(slot, 'failed')
  await looking(rig, 'it is removed', () => rig.actions.runners.length === 2)

  expect(rig.actions.runners).toEqual([second, stranger])
})

test('a forge that refuses gives no runner, and one that is away is asked again', async () => {
  const rig = await slotRig('github')
  const job = queue(rig)
  const slot = await heldSlot(rig, job)

  rig.rig.forge.fault({ match: /generate-jitconfig/, times: 1, kind: { status: 503 } })
  await expect(rig.gateway.configure(rig.world, slot)).rejects.toMatchObject({
    code: 'FORGE_UNREACHABLE'
  })
  rig.rig.forge.fault({ match: /generate-jitconfig/, times: 1, kind: { status: 404 } })

  expect(await rig.gateway.configure(rig.world, slot)).toBeUndefined()
})

test('a label set that gateway.yaml has no more ends its slots and gives no runner', async () => {
  const store = await IntakeRig.make()
  const world = new SlotMesh()
  const rig = await forgeRig('github')
  const before = await SlotGateway.start(world, rig, 'github', {}, store)
  const { repository } = rig
  const job = repository.actions.queue(repository, { labels: LABELS })
  await told({ gateway: before }, job)
  await liveFor({ world }, 1)
  const slot = slotOf({ world }, job)
  await before.stop()

  const runners = [{ labels: ['arm'], image: 'runner:1' }]
  const after = await SlotGateway.start(world, rig, 'github', { runners }, store)

  expect(await after.configure(world, slot)).toBeUndefined()
  await eventually('it is ended', () => world.phaseOf(slot) === 'cancelled')
})
