import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { CommitReader, Inbox } from '../../gateway/ports.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { INTAKE_FETCH_MS_MAX } from '../../protocol/core/limits.ts'
import { ANNOUNCEMENT_REFUSED_MS_MAX } from '../../protocol/core/roster-limits.ts'
import type { Delivery } from '../../protocol/store/inbox-store.ts'
import { eventually } from '../support/eventually.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { commitOf, PIPELINE, PUSHES_ONLY, ScriptedCommits } from '../support/gateway-rig.ts'
import { boundInbox, deliveryOf, IntakeRig, PATIENT } from '../support/intake-rig.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let rig: IntakeRig

beforeEach(async () => {
  rig = await IntakeRig.make()
})

afterEach(() => rig.stop())

test('a lost quorum is tried again until the run is chosen, with the same bytes', async () => {
  const delivery = await rig.put(deliveryOf(1))
  rig.registers.reachable = false
  const clock = new FakeClock()
  const intake = rig.intake({ clock, random: PATIENT })
  await intake.start()
  await eventually('it waits for its next try', () => clock.armed() > 0)
  const before = await rig.stateOf(delivery)

  rig.registers.reachable = true
  await clock.advance(60_000)

  expect((await rig.settled(delivery)).state).toBe('recorded')
  expect(before).toMatchObject({ state: 'received', reason: '' })
  expect(rig.registers.proposed.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).toEqual([
    Buffer.from(before?.sealed ?? []).toString('hex')
  ])
})

test('without a roster nothing is fetched, and all goes on when one comes', async () => {
  const delivery = await rig.put(deliveryOf(1))
  const commits = new ScriptedCommits(commitOf(PIPELINE))
  const clock = new FakeClock()
  rig.registers.epoch = undefined
  const intake = rig.intake({ clock, commits, random: PATIENT })
  await intake.start()
  await eventually('it waits', () => clock.armed() > 0)
  expect(commits.reads).toBe(0)

  rig.registers.epoch = 7
  intake.wake()

  expect((await rig.settled(delivery)).state).toBe('recorded')
  expect(rig.registers.chosen.get(delivery.runId)?.announcement.witnessEpoch).toBe(7)
})

test('the witness epoch that a run first got stays, whatever rosters come', async () => {
  const delivery = await rig.put(deliveryOf(1))
  await rig.store.inbox.pinEpoch(delivery.runId, 3)
  rig.registers.epoch = 9

  await rig.intake().start()
  await rig.settled(delivery)

  expect(rig.registers.chosen.get(delivery.runId)?.announcement.witnessEpoch).toBe(3)
})

test('a forge that is down is asked again, and after ten minutes the run is errored', async () => {
  const delivery = await rig.put(deliveryOf(1))
  const down = new MeshError('WORKSPACE_FETCH_FAILED', {
    commit: 'c',
    url: 'git://forge.example/x',
    cause: 'Connection refused'
  })
  const commits = new ScriptedCommits(down)
  const clock = new FakeClock()
  await rig.intake({ clock, commits, random: PATIENT }).start()
  for (let passedMs = 0; passedMs < INTAKE_FETCH_MS_MAX; passedMs += 30_000) {
    const reads = commits.reads
    await eventually('the next try is due', () => clock.armed() > 0)
    expect((await rig.stateOf(delivery))?.state).toBe('received')
    await clock.advance(30_000)
    await eventually('it was tried', () => commits.reads > reads)
  }
  await eventually('the last try is due', () => clock.armed() > 0)
  await clock.advance(30_000)

  const done = await rig.settled(delivery)

  expect(done.state).toBe('errored')
  expect(done.reason).toMatch(/^cannot fetch c from .*Connection refused/)
  expect(commits.reads).toBeGreaterThan(15)
})

test('one repository whose forge is down holds nobody else up', async () => {
  const stuck = await rig.put(deliveryOf(1))
  const free = await rig.put(deliveryOf(2, { repository: 'team/site' }))
  const clock = new FakeClock()
  const commits: CommitReader = {
    ...PUSHES_ONLY,
    read: async (repository) => {
      await Promise.resolve()
      if (repository.name === 'team/kernel') throw new Error('down')
      return commitOf(PIPELINE)
    }
  }

  await rig.intake({ clock, commits, parallelMax: 1 }).start()

  expect((await rig.settled(free)).state).toBe('recorded')
  expect((await rig.stateOf(stuck))?.state).toBe('received')
})

test('a store that failed ends the intake: nothing more is tried', async () => {
  const delivery = await rig.put(deliveryOf(1))
  let calls = 0
  const inbox: Inbox = {
    ...boundInbox(rig.store.inbox),
    nextGwSeq: () => {
      calls += 1
      const facts = { dir: 'd', action: 'write', cause: 'EIO' }
      return Promise.reject(new MeshError('STORE_FAILED', facts))
    }
  }
  const intake = rig.intake({ inbox })

  await intake.start()
  await eventually('it was tried', () => calls > 0)
  await intake.stop(1_000)
  intake.wake()

  expect(calls).toBe(1)
  expect(intake.reserve()).toBe(false)
  expect((await rig.stateOf(delivery))?.state).toBe('received')
})

const REFUSAL = 'announcement refused: witnesses say not_allowed'

/** Lets so much time pass over a refused delivery, try by try, or less where it ends before. */
async function refusedFor(clock: FakeClock, delivery: Delivery, limitMs: number): Promise<number> {
  const hasEnded = async () => (await rig.stateOf(delivery))?.state !== 'received'
  for (let passedMs = 0; passedMs < limitMs; passedMs += 30_000) {
    await eventually('the next try is due', async () => clock.armed() > 0 || (await hasEnded()))
    if (await hasEnded()) return passedMs
    const tries = rig.registers.proposed.length
    await clock.advance(30_000)
    await eventually('it was tried', () => rig.registers.proposed.length > tries)
  }
  return limitMs
}

test('what witnesses refuse for good ends, with their reason, and can be sent again', async () => {
  const delivery = await rig.put(deliveryOf(1))
  rig.registers.refusal = 'witnesses say not_allowed'
  const clock = new FakeClock()
  await rig.intake({ clock, random: PATIENT }).start()

  const passedMs = await refusedFor(clock, delivery, 2 * ANNOUNCEMENT_REFUSED_MS_MAX)

  const end = { state: 'errored', reason: REFUSAL, reopenable: true }
  expect(await rig.settled(delivery)).toMatchObject(end)
  expect(passedMs).toBeGreaterThanOrEqual(ANNOUNCEMENT_REFUSED_MS_MAX)
  expect(clock.armed()).toBe(0)
})

test('a refusal counts from its own begin, says why, and may pass', async () => {
  const delivery = await rig.put(deliveryOf(1))
  rig.registers.refusal = 'witnesses say not_allowed'
  const clock = new FakeClock()
  await rig.intake({ clock, random: PATIENT }).start()
  const halfMs = ANNOUNCEMENT_REFUSED_MS_MAX / 2 + 60_000
  expect(await refusedFor(clock, delivery, halfMs)).toBe(halfMs)
  await eventually('it says why', async () => (await rig.stateOf(delivery))?.reason === REFUSAL)
  // Another trouble in between.
  await eventually('the next try is due', () => clock.armed() > 0)
  rig.registers.reachable = false
  const { unreachable } = rig.registers
  await clock.advance(30_000)
  await eventually('nobody answers', () => rig.registers.unreachable > unreachable)
  rig.registers.reachable = true
  expect(await refusedFor(clock, delivery, halfMs)).toBe(halfMs)

  rig.registers.refusal = undefined
  await eventually('the next try is due', () => clock.armed() > 0)
  await clock.advance(30_000)

  expect((await rig.settled(delivery)).state).toBe('recorded')
})
