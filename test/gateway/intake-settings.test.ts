import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { gitHook } from '../../gateway/hooks/git.ts'
import { Receiver } from '../../gateway/hooks/receiver.ts'
import type { Intake } from '../../gateway/intake.ts'
import type { Inbox } from '../../gateway/ports.ts'
import { Repositories } from '../../gateway/repositories.ts'
import { type Reception, SourceDoor } from '../../gateway/source-door.ts'
import { REPOSITORY_ABSENT_MS_MAX } from '../../protocol/core/limits.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { Delivery } from '../../protocol/store/inbox-store.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import { eventually } from '../support/eventually.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { commitOf, PIPELINE, repositoryAt, ScriptedCommits, urlOf } from '../support/gateway-rig.ts'
import { boundInbox, deliveryOf, IntakeRig, PATIENT } from '../support/intake-rig.ts'
import { NO_JOBS } from '../support/no-jobs.ts'
import { VECTOR, webhookHeaders } from '../support/standard-webhook.ts'

/* What becomes of a delivery when gateway.yaml changes between its 202 and its run. */

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const HERE = urlOf('team/kernel')
const MOVED = urlOf('team/kernel', 'new.example')

let rig: IntakeRig
let clock: FakeClock
let repositories: Repositories
let commits: ScriptedCommits

beforeEach(async () => {
  rig = await IntakeRig.make()
  clock = new FakeClock()
  repositories = new Repositories([])
  commits = new ScriptedCommits(commitOf(PIPELINE))
})

afterEach(() => rig.stop())

function declare(url: string, name = 'team/kernel'): void {
  repositories.replace([repositoryAt(name, url)])
}

async function started(inbox: Inbox = rig.store.inbox): Promise<Intake> {
  const intake = rig.intake({ inbox, clock, commits, repositories, random: PATIENT })
  await intake.start()
  return intake
}

function receiverOf(intake: Intake): Receiver {
  const { inbox } = rig.store
  const log = silentLog()
  const disk = { problem: undefined }
  const door = new SourceDoor({ disk, inbox, intake, runIdOf: runIdOfOrigin })
  const numbers = { problem: () => Promise.resolve(undefined) }
  return new Receiver({ door, repositories, numbers, jobs: NO_JOBS, clock, log })
}

/** The delivery as its forge sends it again. */
function sendAgain(receiver: Receiver, { deliveryId, body }: Delivery, id = deliveryId) {
  const seconds = Math.floor(clock.wallMs() / 1000)
  const headers = webhookHeaders({ secret: VECTOR.secret, id, seconds, body })
  return receiver.receive(gitHook, headers, Buffer.from(body))
}

/** Lets all of the patience pass with which a repository is waited for. */
async function waitLong(delivery: Delivery): Promise<Delivery> {
  await eventually('it is waited for', () => clock.armed() > 0)
  await clock.advance(REPOSITORY_ABSENT_MS_MAX / 2)
  expect((await rig.stateOf(delivery))?.state).toBe('received')
  await eventually('it is waited for', () => clock.armed() > 0)
  await clock.advance(REPOSITORY_ABSENT_MS_MAX)
  return await rig.settled(delivery)
}

function urlOfRun(runId: string): string | undefined {
  return rig.registers.chosen.get(runId)?.announcement.manifest.url
}

describe('a delivery whose repository got another URL', () => {
  test('of the same repository runs from the new one', async () => {
    const delivery = await rig.put(deliveryOf(1))
    const spelt = 'ssh://git@forge.example:9418/team/kernel'
    declare(spelt)

    await started()

    expect((await rig.settled(delivery)).state).toBe('recorded')
    expect(urlOfRun(delivery.runId)).toBe(spelt)
  })

  test('runs from the old one where another entry declares that', async () => {
    const delivery = await rig.put(deliveryOf(1))
    repositories.replace([repositoryAt('team/kernel', MOVED), repositoryAt('team/old', HERE)])

    await started()

    expect((await rig.settled(delivery)).state).toBe('recorded')
    const { manifest } = rig.registers.chosen.get(delivery.runId)?.announcement ?? {}
    expect(manifest).toMatchObject({ url: HERE, repository: 'team/old' })
  })

  test('is errored with both URLs when nobody takes the change back', async () => {
    const delivery = await rig.put(deliveryOf(1))
    declare(MOVED)
    await started()

    const ended = await waitLong(delivery)

    expect(ended.state).toBe('errored')
    expect(ended.reason).toContain(`was at ${HERE} when the push came and is at ${MOVED} now`)
    expect([commits.reads, rig.registers.proposed]).toEqual([0, []])
  })

  test('runs when the change is taken back meanwhile', async () => {
    const delivery = await rig.put(deliveryOf(1))
    declare(MOVED)
    const intake = await started()
    await eventually('it is waited for', () => clock.armed() > 0)

    declare(HERE)
    intake.wake()

    expect((await rig.settled(delivery)).state).toBe('recorded')
  })

  test('runs under the new URL, as another run, when it is sent again after its end', async () => {
    const delivery = await rig.put(deliveryOf(1))
    declare(MOVED)
    const intake = await started()
    await waitLong(delivery)

    const again = await sendAgain(receiverOf(intake), delivery)

    expect(again).toMatchObject({ verdict: 'accepted', delivery: delivery.deliveryId })
    expect(again.run).not.toBe(delivery.runId)
    await eventually('the run is recorded', () => urlOfRun(again.run) === MOVED)
    expect(await rig.stateOf(delivery)).toMatchObject({ runId: again.run, url: MOVED })
  })
})

test('a push that ran under the new URL meanwhile is not run again', async () => {
  const delivery = await rig.put(deliveryOf(1))
  declare(MOVED)
  const intake = await started()
  await waitLong(delivery)
  const receiver = receiverOf(intake)
  const other = await sendAgain(receiver, delivery, 'other')

  const again = await sendAgain(receiver, delivery)

  expect(other).toMatchObject({ verdict: 'accepted', delivery: 'other' })
  expect(again).toMatchObject({ verdict: 'duplicate', run: other.run })
  expect((await rig.stateOf(delivery))?.state).toBe('errored')
})

describe('a delivery from before URLs were kept', () => {
  test('runs from what is declared', async () => {
    const delivery = await rig.put({ ...deliveryOf(1), url: '' })
    declare(HERE)

    await started()

    expect((await rig.settled(delivery)).state).toBe('recorded')
  })

  test('is errored at once where that is another repository: its id fits no other', async () => {
    const delivery = await rig.put({ ...deliveryOf(1), url: '' })
    declare(MOVED)

    const intake = await started()
    const ended = await rig.settled(delivery)

    expect(ended.state).toBe('errored')
    expect(ended.reason).toContain(`its run id is ${delivery.runId}`)
    await eventually('its place is free', () => intake.queued === 0)
    expect(commits.reads).toBe(1)
  })
})

describe('a delivery whose repository is not declared', () => {
  test('runs when it is declared again', async () => {
    const delivery = await rig.put(deliveryOf(1))
    const intake = await started()
    await eventually('it is waited for', () => clock.armed() > 0)

    declare(HERE)
    intake.wake()

    expect((await rig.settled(delivery)).state).toBe('recorded')
  })

  test('runs when it is declared again, though its forge had been down before', async () => {
    const delivery = await rig.put(deliveryOf(1))
    declare(HERE)
    commits.answers = [new Error('down'), commitOf(PIPELINE)]
    const intake = await started()
    await eventually('its forge is waited for', () => clock.armed() > 0)
    repositories.replace([])
    await clock.advance(1_000)
    await eventually('its repository is waited for', () => clock.armed() > 0)

    declare(HERE)
    intake.wake()

    expect((await rig.settled(delivery)).state).toBe('recorded')
  })

  test('is waited for as long as ever when it was away before', async () => {
    const delivery = await rig.put(deliveryOf(1))
    await started()
    await eventually('it is waited for', () => clock.armed() > 0)
    declare(HERE)
    rig.registers.epoch = undefined
    await clock.advance(REPOSITORY_ABSENT_MS_MAX)
    await eventually('the roster is waited for', () => clock.armed() > 0)
    repositories.replace([])
    await clock.advance(REPOSITORY_ABSENT_MS_MAX / 10)

    expect((await waitLong(delivery)).state).toBe('ignored')
  })

  test('is ignored when it stays away', async () => {
    const delivery = await rig.put(deliveryOf(1))
    await started()

    const ended = await waitLong(delivery)

    expect(ended.state).toBe('ignored')
    expect(ended.reason).toMatch(/^repository team\/kernel is not declared any more: /)
  })

  test.each([
    ['again', 'delivery-1'],
    ['under another id', 'other']
  ])('runs after that when it is sent %s', async (_name, id) => {
    const delivery = await rig.put(deliveryOf(1))
    const intake = await started()
    await waitLong(delivery)
    declare(HERE)

    const again = await sendAgain(receiverOf(intake), delivery, id)

    expect(again).toEqual({ verdict: 'accepted', delivery: id, run: delivery.runId, reason: '' })
    await eventually('the run is recorded', () => rig.registers.chosen.has(delivery.runId))
    expect(await rig.settled(delivery)).toMatchObject({ state: 'recorded', reopenable: false })
  })

  test('runs once when it is sent twenty times after that', async () => {
    const delivery = await rig.put(deliveryOf(1))
    const intake = await started()
    await waitLong(delivery)
    declare(HERE)
    const receiver = receiverOf(intake)

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => sendAgain(receiver, delivery))
    )

    const verdicts = answers.map(({ verdict }) => verdict)
    expect(verdicts.filter((verdict) => verdict === 'accepted')).toHaveLength(1)
    expect(verdicts.filter((verdict) => verdict === 'duplicate')).toHaveLength(19)
    await rig.settled(delivery)
    expect(rig.registers.proposed).toHaveLength(1)
  })

  test('is not lost when it is sent again in the moment of its end', async () => {
    const delivery = await rig.put(deliveryOf(1))
    const inbox = boundInbox(rig.store.inbox)
    let ended = false
    let again: Reception | undefined
    const intake = await started({
      ...inbox,
      update: async (key, patch) => {
        await inbox.update(key, patch)
        if (ended) return
        ended = true
        declare(HERE)
        again = await sendAgain(receiverOf(intake), delivery)
      }
    })
    await eventually('it is waited for', () => clock.armed() > 0)
    await clock.advance(2 * REPOSITORY_ABSENT_MS_MAX)
    await eventually('it was sent again', () => again)

    expect(again?.verdict).toBe('accepted')
    expect((await rig.settled(delivery)).state).toBe('recorded')
  })

  test('stays ended while there is no place for it', async () => {
    const delivery = await rig.put(deliveryOf(1))
    const intake = await started()
    await waitLong(delivery)
    declare(HERE)
    await intake.stop(0)

    const again = sendAgain(receiverOf(intake), delivery)

    await expect(again).rejects.toMatchObject({ code: 'OVERLOADED' })
    expect(await rig.stateOf(delivery)).toMatchObject({ state: 'ignored', reopenable: true })
  })
})

test('a delivery that its pipeline ignores stays ignored, however often it is sent', async () => {
  const delivery = await rig.put(deliveryOf(1))
  declare(HERE)
  commits.answers = [commitOf(PIPELINE.replace('[main, "release/*"]', '[dev]'))]
  const intake = await started()
  await rig.settled(delivery)

  const again = await sendAgain(receiverOf(intake), delivery)

  expect(again).toMatchObject({ verdict: 'duplicate', run: delivery.runId })
  expect(commits.reads).toBe(1)
})

test('an id that is used for another push opens nothing again', async () => {
  const delivery = await rig.put(deliveryOf(1))
  const intake = await started()
  await waitLong(delivery)
  declare(HERE)

  const other = { ...deliveryOf(2), deliveryId: delivery.deliveryId }
  const again = await sendAgain(receiverOf(intake), other)

  expect(again).toMatchObject({ verdict: 'duplicate', run: delivery.runId })
  expect((await rig.stateOf(delivery))?.state).toBe('ignored')
})
