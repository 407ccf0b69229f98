import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Intake } from '../../gateway/intake.ts'
import type { CommitReader } from '../../gateway/ports.ts'
import { Repositories } from '../../gateway/repositories.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { eventually } from '../support/eventually.ts'
import { FakeClock } from '../support/fake-clock.ts'
import {
  announcerOf,
  commitOf,
  declaredRepositories,
  factsOf,
  openGatewayStore,
  PIPELINE,
  PUSHES_ONLY,
  RunRegisters,
  repositoryAt,
  ScriptedCommits,
  ScriptedFacts,
  temporaryFolder,
  urlOf
} from '../support/gateway-rig.ts'
import { deliveryOf, EAGER, IntakeRig } from '../support/intake-rig.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let rig: IntakeRig

beforeEach(async () => {
  rig = await IntakeRig.make()
})

afterEach(() => rig.stop())

test('a stored delivery becomes one recorded and published run with its jobs', async () => {
  const delivery = await rig.put(deliveryOf(1))
  const intake = rig.intake({ commits: new ScriptedCommits(commitOf(PIPELINE, 'sched: fix')) })

  await intake.start()
  const done = await rig.settled(delivery)

  expect(done).toMatchObject({ state: 'recorded', reason: 'announced 1 job' })
  const chosen = rig.registers.chosen.get(delivery.runId)
  expect(chosen?.announcement).toMatchObject({
    runId: delivery.runId,
    gateway: rig.key.peerId,
    witnessEpoch: 1,
    manifest: {
      title: 'sched: fix',
      pusher: 'lena',
      repository: 'team/kernel',
      error: undefined,
      trust: 'trusted'
    }
  })
  expect(chosen?.announcement.manifest.jobs.map(({ name }) => name)).toEqual(['build'])
  expect(rig.registers.published).toEqual([delivery.runId])
  await eventually('the queue is empty', () => intake.queued === 0)
})

test('a gateway that lost its store announces above all that it announced before', async () => {
  const intake = rig.intake()
  await intake.start()
  const first = await rig.put(deliveryOf(1))
  intake.take(first)
  await rig.settled(first)
  await intake.stop(0)
  await rig.loseStore()
  const second = await rig.put(deliveryOf(2))
  await rig.intake().start()
  await rig.settled(second)

  const [before, after] = rig.registers.proposed.map(({ announcement }) => announcement.gwSeq)
  // Witnesses may know a floor of it that is as high as the highest one: below it all is gone.
  expect(after).toBeGreaterThan(before ?? 0)
})

test('a wrong key in the pipeline makes an errored run that names line and column', async () => {
  const delivery = await rig.put(deliveryOf(1))
  const broken = PIPELINE.replace('image:', 'imgae:')

  await rig.intake({ commits: new ScriptedCommits(commitOf(broken)) }).start()
  const done = await rig.settled(delivery)

  expect(done.state).toBe('errored')
  expect(done.reason).toMatch(/^\.runner-mesh\.yml:4:5: jobs\.build/)
  const { manifest } = rig.registers.chosen.get(delivery.runId)?.announcement ?? {}
  expect(manifest?.jobs).toEqual([])
  expect(manifest?.error).toMatchObject({ code: 'PIPELINE_INVALID', line: 4, column: 5 })
})

test('no pipeline file, or one that is no file, makes an errored run', async () => {
  const first = await rig.put(deliveryOf(1))
  const second = await rig.put(deliveryOf(2))
  const commits = new ScriptedCommits(
    { title: '', pipeline: { kind: 'absent' } },
    { title: '', pipeline: { kind: 'unusable', problem: 'it is no regular file' } }
  )

  await rig.intake({ commits, parallelMax: 1 }).start()

  expect((await rig.settled(first)).reason).toMatch(/has no \.runner-mesh\.yml: add one/)
  expect((await rig.settled(second)).reason).toMatch(/yml:1:1: top level: it is no regular file/)
  const codes = [first, second].map(
    ({ runId }) => rig.registers.chosen.get(runId)?.announcement.manifest.error?.code
  )
  expect(codes).toEqual(['PIPELINE_ABSENT', 'PIPELINE_INVALID'])
})

test('a branch that the pipeline does not select is ignored, and nothing is recorded', async () => {
  const delivery = await rig.put(deliveryOf(1))
  const pipeline = PIPELINE.replace('[main, "release/*"]', '[dev]')

  await rig.intake({ commits: new ScriptedCommits(commitOf(pipeline)) }).start()

  expect(await rig.settled(delivery)).toMatchObject({
    state: 'ignored',
    reason: 'on.push of .runner-mesh.yml does not select main'
  })
  expect(rig.registers.proposed).toEqual([])
})

test('a run that another gateway announced first ends as that one was chosen', async () => {
  const delivery = await rig.put(deliveryOf(1))
  const theirs = await otherGateway(
    new ScriptedCommits({ title: '', pipeline: { kind: 'absent' } })
  )
  await theirs.store.inbox.put(delivery)
  await theirs.intake.start()
  const sealed = await eventually('they record it', () =>
    theirs.registers.chosen.get(delivery.runId)
  )
  rig.registers.chosen.set(delivery.runId, sealed)

  await rig.intake().start()
  const done = await rig.settled(delivery)

  expect(done.state).toBe('errored')
  expect(rig.registers.chosen.get(delivery.runId)?.announcement.gateway).toBe(theirs.peerId)
  await theirs.stop()
})

async function otherGateway(commits: CommitReader) {
  const folder = await temporaryFolder()
  const key = generateKey()
  const store = await openGatewayStore(`${folder.dir}/store`, key)
  const registers = new RunRegisters()
  const intake = new Intake({
    inbox: store.inbox,
    repositories: declaredRepositories(),
    commits,
    facts: new ScriptedFacts(factsOf()),
    announcer: announcerOf(key),
    recorder: registers,
    clock: systemClock(),
    random: EAGER,
    log: silentLog()
  })
  const stop = async () => {
    await intake.stop(1_000)
    await store.close()
    await folder.remove()
  }
  return { peerId: key.peerId, store, registers, intake, stop }
}

test('deliveries are worked on oldest first, so many side by side and no more', async () => {
  const repositories = Array.from({ length: 12 }, (_, index) =>
    repositoryAt(`team/${index}`, urlOf(`team/${index}`, `forge${index}.example`))
  )
  const order: string[] = []
  let active = 0
  let most = 0
  const commits: CommitReader = {
    ...PUSHES_ONLY,
    read: async (_repository, commit) => {
      order.push(commit)
      active += 1
      most = Math.max(most, active)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      active -= 1
      return commitOf(PIPELINE)
    }
  }
  const deliveries = []
  for (const [number, { name, url }] of repositories.entries()) {
    deliveries.push(await rig.put(deliveryOf(number, { repository: name, url })))
  }

  const declared = new Repositories(repositories)
  await rig.intake({ commits, repositories: declared, parallelMax: 3 }).start()
  await Promise.all(deliveries.map((delivery) => rig.settled(delivery)))

  expect(order).toEqual(deliveries.map(({ body }) => JSON.parse(body).after))
  expect(most).toBe(3)
})

test('the queue gives no place away that it does not have, and takes nothing before it runs', async () => {
  const intake = rig.intake({ queueMax: 2 })
  expect(intake.reserve()).toBe(false)

  await intake.start()

  expect([intake.reserve(), intake.reserve(), intake.reserve()]).toEqual([true, true, false])
  intake.release()
  expect(intake.reserve()).toBe(true)
})

test('stopping lets what is at work finish and leaves the rest to the next process', async () => {
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const commits: CommitReader = {
    ...PUSHES_ONLY,
    read: async () => {
      await gate
      return commitOf(PIPELINE)
    }
  }
  const first = await rig.put(deliveryOf(1))
  const second = await rig.put(deliveryOf(2))
  const intake = rig.intake({ commits, parallelMax: 1 })
  await intake.start()

  const stopped = intake.stop(10_000)
  release()
  await stopped

  expect((await rig.stateOf(first))?.state).toBe('recorded')
  expect((await rig.stateOf(second))?.state).toBe('received')
})

test('stopping ends after its limit even where a forge never answers', async () => {
  let aborted = false
  const commits: CommitReader = {
    ...PUSHES_ONLY,
    read: (_repository, _commit, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true
          reject(new Error('aborted'))
        })
      })
  }
  await rig.put(deliveryOf(1))
  const clock = new FakeClock()
  const intake = rig.intake({ commits, clock })
  await intake.start()

  await clock.settle(intake.stop(5_000), 6_000)

  expect(aborted).toBe(true)
})
