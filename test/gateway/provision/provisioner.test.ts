import { expect, test } from 'vitest'
import {
  PROVISION_ASKED_MAX,
  PROVISION_TRIES_MAX
} from '../../../protocol/core/provision-limits.ts'
import { eventually } from '../../support/eventually.ts'
import { forgeRig } from '../../support/forge-rig.ts'
import { SlotGateway, SlotMesh, slotRig } from '../../support/provision-rig.ts'
import { giveJob, LABELS, liveFor, looking, queue, slotOf, told } from '../../support/slot-steps.ts'

test.each(['github', 'gitea'] as const)(
  'a job that a hook of %s names gets a slot of its label set, however often it is told of',
  async (kind) => {
    const rig = await slotRig(kind)
    const job = queue(rig)

    for (let times = 0; times < 3; times += 1) await told(rig, job)
    await liveFor(rig, 1)
    await told(rig, job)
    const other = queue(rig)
    await told(rig, other)

    expect(await liveFor(rig, 2)).toEqual([String(job.id), String(other.id)])
    const [slot] = rig.world.live()
    expect(slot).toMatchObject({ trust: 'untrusted', spec: { image: 'runner:1' } })
    expect(slot?.spec.runner).toEqual({ labels: ['linux', 'big'] })
  }
)

test.each(['github', 'gitea', 'forgejo'] as const)(
  'a job of %s that no hook has told of is found by the next look',
  async (kind) => {
    const rig = await slotRig(kind)
    await eventually('a first look', () => rig.rig.forge.seen.length > 0)
    const job = queue(rig)

    await looking(rig, 'a slot', () => rig.world.live().length === 1)

    expect(await liveFor(rig, 1)).toEqual([String(job.id)])
  }
)

test('jobs behind a gate, of other labels and of forks get no slot', async () => {
  const rig = await slotRig('github')
  const fork = await rig.rig.forge.repository('mallory/kernel')
  const none = [
    queue(rig, { status: 'waiting' }),
    queue(rig, { labels: ['linux', 'gpu'] }),
    queue(rig, { labels: [] }),
    queue(rig, { head: fork, event: 'pull_request' }),
    queue(rig, { head: undefined, event: 'pull_request' })
  ]
  for (const job of none) await told(rig, job)
  const last = queue(rig, { labels: ['BIG', 'Linux'] })
  await told(rig, last)

  expect(await liveFor(rig, 1)).toEqual([String(last.id)])
})

test.each(['gitea', 'forgejo'] as const)(
  'a pull request of %s counts as that of a fork unless the forge says otherwise',
  async (kind) => {
    const rig = await slotRig(kind)
    const fork = await rig.rig.forge.repository('mallory/kernel')
    queue(rig, { head: fork, event: 'pull_request' })
    const own = queue(rig)
    await looking(rig, 'a slot', () => rig.world.live().length === 1)

    expect(await liveFor(rig, 1)).toEqual([String(own.id)])
  }
)

test('a flood of hooks that name jobs is one question for all that waits', async () => {
  const rig = await slotRig('github', { slots: 2 })
  await eventually('a first look', () => rig.rig.forge.seen.length >= 2)
  const [first, ...others] = Array.from({ length: 3 * PROVISION_ASKED_MAX }, () => queue(rig))
  if (first === undefined) throw new Error('no job')
  const { before } = rig.rig.forge
  const isOfOne = (asked: string): boolean => /\/actions\/jobs\/\d+ ?$/.test(asked)

  // All of them come while the forge is still to answer for the first.
  before.close(isOfOne)
  await told(rig, first)
  await before.reached()
  for (const job of others) await told(rig, job)
  before.open()
  await liveFor(rig, 2)

  const ofOne = rig.rig.forge.seen.filter(({ path }) => isOfOne(path))
  expect(ofOne.length).toBeLessThanOrEqual(PROVISION_ASKED_MAX)
})

test('a repository that lets forks run gives their jobs runners, too', async () => {
  const rig = await slotRig('github', { forks: 'run' })
  const fork = await rig.rig.forge.repository('mallory/kernel')
  const job = queue(rig, { head: fork, event: 'pull_request' })
  await told(rig, job)

  expect(await liveFor(rig, 1)).toEqual([String(job.id)])
})

test('there are no more slots than gateway.yaml allows, and the rest follows as they end', async () => {
  const rig = await slotRig('github', { slots: 2 })
  const jobs = [queue(rig), queue(rig), queue(rig)]
  for (const job of jobs) await told(rig, job)
  const [first] = await liveFor(rig, 2)
  const slot = rig.world.live()[0]?.jobId ?? ''
  rig.world.claim(slot)
  const taken = await giveJob(rig, slot)
  await told(rig, taken)
  const runner = rig.actions.runners[0]
  if (runner !== undefined) rig.actions.complete(runner, 'success')
  rig.world.end(slot, 'succeeded')

  const left = await eventually('the third job has its slot', () => {
    const now = rig.world.live().map((each) => rig.world.jobOf(each))
    return now.length === 2 && now.includes(String(jobs[2]?.id)) && now
  })

  expect(left).not.toContain(first)
})

test('a runner that takes another job than its slot was started for leaves each with one', async () => {
  const rig = await slotRig('github')
  const [first, second] = [queue(rig), queue(rig)]
  for (const job of [first, second]) await told(rig, job)
  await liveFor(rig, 2)
  const slot = slotOf(rig, second)
  rig.world.claim(slot)

  const taken = await giveJob(rig, slot)
  await told(rig, taken)
  const third = queue(rig)
  await told(rig, third)

  expect(taken).toBe(first)
  // Two jobs wait, and two slots are free for them; the one that is new is named after the older.
  const jobs = [first, second, second].map(({ id }) => String(id))
  expect(await liveFor(rig, 3)).toEqual(jobs)
  expect(rig.world.board.jobs({ event: 'workflow_job' })).toHaveLength(3)
})

test('a job that the runner of another slot has done, untold, is not counted as one that waits', async () => {
  const rig = await slotRig('gitea')
  const [first, second] = [queue(rig), queue(rig)]
  for (const job of [first, second]) await told(rig, job)
  await liveFor(rig, 2)
  const slot = slotOf(rig, second)
  rig.world.claim(slot)

  expect(await giveJob(rig, slot)).toBe(first)
  const runner = rig.actions.runners[0]
  if (runner !== undefined) rig.actions.complete(runner, 'success')
  rig.world.end(slot, 'succeeded')
  await eventually('its end is seen', () => rig.world.live().length === 1)
  const third = queue(rig)
  await told(rig, third)

  // Two jobs wait, and the free slot of the first is good for one: one more, named after the older.
  expect(await liveFor(rig, 2)).toEqual([first, second].map(({ id }) => String(id)))
  expect(rig.world.board.jobs({ event: 'workflow_job' })).toHaveLength(3)
})

test('a job that was cancelled while it waited takes its slot along, held by nobody', async () => {
  const rig = await slotRig('gitea')
  const [job, other] = [queue(rig), queue(rig)]
  for (const each of [job, other]) await told(rig, each)
  await liveFor(rig, 2)
  const slot = slotOf(rig, job)

  rig.actions.cancel(job)
  await told(rig, job)

  expect(await liveFor(rig, 1)).toEqual([String(other.id)])
  expect(rig.world.phaseOf(slot)).toBe('cancelled')
})

test.each(['github', 'gitea', 'forgejo'] as const)(
  'a runner of %s that waits for a job that was cancelled is unregistered, and its slot ended',
  async (kind) => {
    const rig = await slotRig(kind)
    const job = queue(rig)
    await looking(rig, 'a slot', () => rig.world.live().length === 1)
    const slot = slotOf(rig, job)
    rig.world.claim(slot)
    await rig.gateway.configure(rig.world, slot)
    expect(rig.actions.runners).toHaveLength(1)

    rig.actions.cancel(job)
    await looking(rig, 'it is asked to end', () => rig.world.board.job(slot)?.state?.cancel)
    expect(rig.actions.runners).toEqual([])
    expect(await rig.gateway.configure(rig.world, slot)).toBeUndefined()
  }
)

test('a job whose slots come to nothing gets new ones, later each time, and at last none', async () => {
  const rig = await slotRig('github')
  const job = queue(rig)
  await told(rig, job)
  const waits: number[] = []
  for (let tries = 0; tries < 5; tries += 1) {
    const sinceMs = rig.world.clock.bootMs()
    await looking(rig, 'a slot', () => rig.world.live().length === 1)
    waits.push(rig.world.clock.bootMs() - sinceMs)
    const slot = slotOf(rig, job)
    rig.world.claim(slot)
    rig.world.end(slot, 'failed')
  }

  await rig.world.clock.advance(3_600_000)
  const other = queue(rig)
  await told(rig, other)

  await looking(rig, 'a slot', () => rig.world.live().length === 1)
  expect(await liveFor(rig, 1)).toEqual([String(other.id)])
  expect(waits.map((ms, index) => ms >= (index === 0 ? 0 : 15_000 * 2 ** (index - 1)))).toEqual(
    waits.map(() => true)
  )
})

test('a slot that came and ended within one turn, however long that took, is one of those', async () => {
  const rig = await slotRig('github')
  const { world } = rig
  const job = queue(rig)
  await told(rig, job)
  const endNext = async (): Promise<void> => {
    await looking(rig, 'a slot', () => world.live().length === 1)
    const slot = slotOf(rig, job)
    world.claim(slot)
    world.end(slot, 'failed')
  }
  for (let tries = 1; tries < PROVISION_TRIES_MAX; tries += 1) await endNext()

  const { beforeBoard, beforeInbox } = world
  beforeBoard.close(() => true)
  await looking(rig, 'the last slot', () => beforeBoard.held > 0)
  const asked = rig.rig.forge.seen.length
  await looking(rig, 'a look at all that waits', () => rig.rig.forge.seen.length > asked)
  beforeInbox.close(() => true)
  await looking(rig, 'a turn that asks for it', () => beforeInbox.held > 0)
  beforeBoard.open()
  await endNext()
  await world.clock.advance(3_600_000)
  beforeInbox.open()

  const other = queue(rig)
  await told(rig, other)
  await looking(rig, 'a slot', () => world.live().length > 0)
  expect(await liveFor(rig, 1)).toEqual([String(other.id)])
})

test('a restart begins no slot again, and goes on with what was named just before', async () => {
  const rig = await slotRig('github')
  const first = queue(rig)
  await told(rig, first)
  await liveFor(rig, 1)
  const second = queue(rig)
  // Its forge is away: what the hook has named is not looked at before the process ends.
  rig.rig.forge.fault({ kind: { status: 500 } })
  await told(rig, second)
  await rig.gateway.stop()
  rig.rig.forge.heal()

  const anew = await SlotGateway.start(rig.world, rig.rig, 'github', {}, rig.gateway.store)

  expect(await liveFor(rig, 2)).toEqual([String(first.id), String(second.id)])
  const slot = slotOf(rig, first)
  rig.world.claim(slot)
  expect(await anew.configure(rig.world, slot)).toHaveLength(1)
})

test('two gateways that are told of the same jobs start one slot for each', async () => {
  const world = new SlotMesh()
  const rig = await forgeRig('github')
  const [here, there] = [
    await SlotGateway.start(world, rig, 'github'),
    await SlotGateway.start(world, rig, 'github')
  ]
  const { repository } = rig
  const jobs = [0, 1, 2].map(() => repository.actions.queue(repository, { labels: LABELS }))

  await Promise.all(
    jobs.flatMap((job) => [told({ gateway: here }, job), told({ gateway: there }, job)])
  )
  await liveFor({ world }, 3)
  const last = repository.actions.queue(repository, { labels: LABELS })
  await told({ gateway: there }, last)
  await liveFor({ world }, 4)

  const started = world.board.jobs({ event: 'workflow_job' }).map((each) => world.jobOf(each))
  expect(started.toSorted()).toEqual([...jobs, last].map(({ id }) => String(id)))
})
