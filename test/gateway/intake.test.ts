import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Intake } from '../../gateway/intake.ts'
import type { CommitReader, Inbox, Recorder } from '../../gateway/ports.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { INTAKE_FETCH_MS_MAX } from '../../protocol/core/limits.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import type { RunOrigin } from '../../protocol/core/run.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { Delivery } from '../../protocol/store/inbox-store.ts'
import type { MeshStore } from '../../protocol/store/mesh-store.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import { eventually } from '../support/eventually.ts'
import { FakeClock } from '../support/fake-clock.ts'
import {
  announcerOf,
  commitOf,
  declaredRepositories,
  openGatewayStore,
  PIPELINE,
  RunRegisters,
  ScriptedCommits,
  temporaryFolder
} from '../support/gateway-rig.ts'

const key = generateKey()
/** Retries at once. */
const eager: Random = { next: () => 0, id: (bytes) => '0'.repeat(bytes * 2) }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: MeshStore
let registers: RunRegisters
let running: Intake[]

beforeEach(async () => {
  folder = await temporaryFolder()
  store = await openGatewayStore(`${folder.dir}/store`, key)
  registers = new RunRegisters()
  running = []
})

afterEach(async () => {
  await Promise.all(running.map((intake) => intake.stop(0)))
  await store.close()
  await folder.remove()
})

function deliveryOf(number: number, change: Partial<Delivery> = {}): Delivery {
  const repository = change.repository ?? 'team/kernel'
  const commit = String(number).padStart(40, 'a')
  const origin: RunOrigin = {
    forgeHost: 'forge.example:9418',
    repositoryId: `/${repository}`,
    event: 'push',
    ref: 'refs/heads/main',
    commit,
    number: '',
    action: '',
    rerunNonce: ''
  }
  const body = {
    repository,
    ref: 'refs/heads/main',
    before: '0'.repeat(40),
    after: commit,
    pusher: 'lena',
    time: '2026-01-01T00:00:00Z'
  }
  return {
    key: `${repository}/delivery-${number}`,
    deliveryId: `delivery-${number}`,
    repository,
    runId: runIdOfOrigin(origin),
    receivedAtMs: number,
    body: JSON.stringify(body),
    state: 'received',
    reason: '',
    sealed: undefined,
    ...change
  }
}

interface Overrides {
  readonly inbox?: Inbox
  readonly commits?: CommitReader
  readonly recorder?: Recorder
  readonly clock?: Clock
  readonly random?: Random
  readonly queueMax?: number
  readonly parallelMax?: number
}

function intakeOf(overrides: Overrides = {}): Intake {
  const intake = new Intake(
    {
      inbox: overrides.inbox ?? store.inbox,
      repositories: declaredRepositories(),
      commits: overrides.commits ?? new ScriptedCommits(commitOf(PIPELINE)),
      announcer: announcerOf(key),
      recorder: overrides.recorder ?? registers,
      clock: overrides.clock ?? systemClock(),
      random: overrides.random ?? eager,
      log: silentLog()
    },
    { queueMax: overrides.queueMax, parallelMax: overrides.parallelMax }
  )
  running.push(intake)
  return intake
}

async function put(delivery: Delivery): Promise<Delivery> {
  expect(await store.inbox.put(delivery)).toBe('stored')
  return delivery
}

/** The delivery once nothing is left to do for it. */
function settled(delivery: Delivery): Promise<Delivery> {
  return eventually(`${delivery.key} is settled`, async () => {
    const found = await store.inbox.get(delivery.key)
    return found !== undefined && found.state !== 'received' ? found : undefined
  })
}

describe('a stored delivery', () => {
  test('becomes one recorded and published run with the jobs of its pipeline', async () => {
    const delivery = await put(deliveryOf(1))
    const intake = intakeOf({ commits: new ScriptedCommits(commitOf(PIPELINE, 'sched: fix')) })

    await intake.start()
    const done = await settled(delivery)

    expect(done).toMatchObject({ state: 'recorded', reason: 'announced 1 job' })
    const chosen = registers.chosen.get(delivery.runId)
    expect(chosen?.announcement).toMatchObject({
      runId: delivery.runId,
      gateway: key.peerId,
      gwSeq: 1,
      witnessEpoch: 1,
      manifest: { title: 'sched: fix', pusher: 'lena', repository: 'team/kernel', error: undefined }
    })
    expect(chosen?.announcement.manifest.jobs.map(({ name }) => name)).toEqual(['build'])
    expect(registers.published).toEqual([delivery.runId])
    expect(intake.queued).toBe(0)
  })

  test('with a wrong key in the pipeline is an errored run that names line and column', async () => {
    const delivery = await put(deliveryOf(1))
    const broken = PIPELINE.replace('image:', 'imgae:')

    await intakeOf({ commits: new ScriptedCommits(commitOf(broken)) }).start()
    const done = await settled(delivery)

    expect(done.state).toBe('errored')
    expect(done.reason).toMatch(/^\.runner-mesh\.yml:4:5: jobs\.build/)
    const { manifest } = registers.chosen.get(delivery.runId)?.announcement ?? {}
    expect(manifest?.jobs).toEqual([])
    expect(manifest?.error).toMatchObject({ code: 'PIPELINE_INVALID', line: 4, column: 5 })
  })

  test('without a pipeline file, or with one that is none, is an errored run', async () => {
    const first = await put(deliveryOf(1))
    const second = await put(deliveryOf(2))
    const commits = new ScriptedCommits(
      { title: '', pipeline: { kind: 'absent' } },
      { title: '', pipeline: { kind: 'unusable', problem: 'it is no regular file' } }
    )

    await intakeOf({ commits, parallelMax: 1 }).start()

    expect((await settled(first)).reason).toMatch(/has no \.runner-mesh\.yml: add one/)
    expect((await settled(second)).reason).toMatch(/yml:1:1: top level: it is no regular file/)
    const codes = [first, second].map(
      ({ runId }) => registers.chosen.get(runId)?.announcement.manifest.error?.code
    )
    expect(codes).toEqual(['PIPELINE_ABSENT', 'PIPELINE_INVALID'])
  })

  test('of a branch that the pipeline does not select is ignored, and nothing is recorded', async () => {
    const delivery = await put(deliveryOf(1))
    const pipeline = PIPELINE.replace('[main, "release/*"]', '[dev]')

    await intakeOf({ commits: new ScriptedCommits(commitOf(pipeline)) }).start()

    expect(await settled(delivery)).toMatchObject({
      state: 'ignored',
      reason: 'on.push of .runner-mesh.yml does not select main'
    })
    expect(registers.proposed).toEqual([])
  })

  test('of a repository that is not declared any more is ignored', async () => {
    const delivery = await put(deliveryOf(1, { repository: 'team/gone' }))

    await intakeOf().start()

    expect((await settled(delivery)).reason).toMatch(/not declared any more/)
  })

  test('whose run another gateway announced first ends as that one was chosen', async () => {
    const delivery = await put(deliveryOf(1))
    const other = announcerOf()
    const rival = new RunRegisters()
    const rivalStore = await openGatewayStore(`${folder.dir}/rival`, generateKey())
    await rivalStore.inbox.put(delivery)
    const gone = { title: '', pipeline: { kind: 'absent' as const } }
    const theirs = new Intake({
      inbox: rivalStore.inbox,
      repositories: declaredRepositories(),
      commits: new ScriptedCommits(gone),
      announcer: { ...announcerOf(), ...other },
      recorder: rival,
      clock: systemClock(),
      random: eager,
      log: silentLog()
    })
    await theirs.start()
    await eventually('the rival records', () => rival.chosen.get(delivery.runId))
    for (const [run, sealed] of rival.chosen) registers.chosen.set(run, sealed)

    await intakeOf().start()
    const done = await settled(delivery)

    expect(done.state).toBe('errored')
    expect(registers.chosen.get(delivery.runId)?.announcement.gateway).toBe(other.gateway)
    await theirs.stop(1_000)
    await rivalStore.close()
  })
})

describe('what cannot be done now', () => {
  test('a lost quorum is tried again until the run is chosen, with the same bytes', async () => {
    const delivery = await put(deliveryOf(1))
    registers.reachable = false
    const clock = new FakeClock()
    const random = { ...eager, next: () => 0.999 }
    const intake = intakeOf({ clock, random })
    await intake.start()
    await eventually('it waits for its next try', () => clock.armed() > 0 || undefined)
    const before = await store.inbox.get(delivery.key)

    registers.reachable = true
    await clock.advance(60_000)

    expect((await settled(delivery)).state).toBe('recorded')
    expect(before).toMatchObject({ state: 'received', reason: '' })
    expect(registers.proposed.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).toEqual([
      Buffer.from(before?.sealed ?? []).toString('hex')
    ])
  })

  test('a gateway without a roster waits, fetches nothing, and goes on when one comes', async () => {
    const delivery = await put(deliveryOf(1))
    const commits = new ScriptedCommits(commitOf(PIPELINE))
    const clock = new FakeClock()
    registers.epoch = undefined
    const intake = intakeOf({ clock, commits, random: { ...eager, next: () => 0.999 } })
    await intake.start()
    await eventually('it waits', () => clock.armed() > 0 || undefined)
    expect(commits.reads).toBe(0)

    registers.epoch = 7
    intake.wake()

    expect((await settled(delivery)).state).toBe('recorded')
    expect(registers.chosen.get(delivery.runId)?.announcement.witnessEpoch).toBe(7)
  })

  test('the witness epoch that a run first got stays, whatever rosters come', async () => {
    const delivery = await put(deliveryOf(1))
    await store.inbox.pinEpoch(delivery.runId, 3)
    registers.epoch = 9

    await intakeOf().start()
    await settled(delivery)

    expect(registers.chosen.get(delivery.runId)?.announcement.witnessEpoch).toBe(3)
  })

  test('a forge that is down is asked again, and after ten minutes the run is errored', async () => {
    const delivery = await put(deliveryOf(1))
    const down = new MeshError('WORKSPACE_FETCH_FAILED', {
      commit: 'c',
      url: 'git://forge.example/x',
      cause: 'Connection refused'
    })
    const commits = new ScriptedCommits(down)
    const clock = new FakeClock()
    await intakeOf({ clock, commits, random: { ...eager, next: () => 0.999 } }).start()
    for (let passedMs = 0; passedMs < INTAKE_FETCH_MS_MAX; passedMs += 30_000) {
      const reads = commits.reads
      await eventually('the next try is due', () => (clock.armed() > 0 ? true : undefined))
      expect((await store.inbox.get(delivery.key))?.state).toBe('received')
      await clock.advance(30_000)
      await eventually('it was tried', () => (commits.reads > reads ? true : undefined))
    }
    await eventually('the last try is due', () => (clock.armed() > 0 ? true : undefined))
    await clock.advance(30_000)

    const done = await settled(delivery)

    expect(done.state).toBe('errored')
    expect(done.reason).toMatch(/^cannot fetch c from .*Connection refused/)
    expect(commits.reads).toBeGreaterThan(15)
  })

  test('one repository whose forge is down holds nobody else up', async () => {
    const stuck = await put(deliveryOf(1))
    const free = await put(deliveryOf(2, { repository: 'team/site' }))
    const clock = new FakeClock()
    const commits: CommitReader = {
      read: async (repository) => {
        await Promise.resolve()
        if (repository.name === 'team/kernel') throw new Error('down')
        return commitOf(PIPELINE)
      }
    }

    await intakeOf({ clock, commits, parallelMax: 1 }).start()

    expect((await settled(free)).state).toBe('recorded')
    expect((await store.inbox.get(stuck.key))?.state).toBe('received')
  })

  test('a store that failed ends the intake: nothing more is tried', async () => {
    const delivery = await put(deliveryOf(1))
    let calls = 0
    const inbox: Inbox = {
      ...boundInbox(store.inbox),
      nextGwSeq: () => {
        calls += 1
        const facts = { dir: 'd', action: 'write', cause: 'EIO' }
        return Promise.reject(new MeshError('STORE_FAILED', facts))
      }
    }
    const intake = intakeOf({ inbox })

    await intake.start()
    await eventually('it was tried', () => (calls > 0 ? true : undefined))
    await intake.stop(1_000)
    intake.wake()

    expect(calls).toBe(1)
    expect(intake.reserve()).toBe(false)
    expect((await store.inbox.get(delivery.key))?.state).toBe('received')
  })
})

describe('the queue', () => {
  test('is worked on oldest first, so many side by side and no more', async () => {
    const order: string[] = []
    let active = 0
    let most = 0
    const commits: CommitReader = {
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
    for (let number = 0; number < 12; number += 1) deliveries.push(await put(deliveryOf(number)))

    await intakeOf({ commits, parallelMax: 3 }).start()
    await Promise.all(deliveries.map(settled))

    expect(order).toEqual(deliveries.map(({ body }) => JSON.parse(body).after))
    expect(most).toBe(3)
  })

  test('gives no place away that it does not have, and takes nothing before it runs', async () => {
    const intake = intakeOf({ queueMax: 2 })
    expect(intake.reserve()).toBe(false)

    await intake.start()

    expect([intake.reserve(), intake.reserve(), intake.reserve()]).toEqual([true, true, false])
    intake.release()
    expect(intake.reserve()).toBe(true)
  })

  test('stopping lets what is at work finish, and leaves the rest to the next process', async () => {
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const commits: CommitReader = {
      read: async () => {
        await gate
        return commitOf(PIPELINE)
      }
    }
    const first = await put(deliveryOf(1))
    const second = await put(deliveryOf(2))
    const intake = intakeOf({ commits, parallelMax: 1 })
    await intake.start()

    const stopped = intake.stop(10_000)
    release()
    await stopped

    expect((await store.inbox.get(first.key))?.state).toBe('recorded')
    expect((await store.inbox.get(second.key))?.state).toBe('received')
  })

  test('stopping ends after its limit even where a forge never answers', async () => {
    let aborted = false
    const commits: CommitReader = {
      read: (_repository, _commit, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted = true
            reject(new Error('aborted'))
          })
        })
    }
    await put(deliveryOf(1))
    const clock = new FakeClock()
    const intake = intakeOf({ commits, clock })
    await intake.start()

    await clock.settle(intake.stop(5_000), 6_000)

    expect(aborted).toBe(true)
  })
})

/** The same calls as plain properties, so that a test can replace one. */
function boundInbox(inbox: Inbox): Inbox {
  return {
    put: (delivery) => inbox.put(delivery),
    get: (name) => inbox.get(name),
    byRun: (runId) => inbox.byRun(runId),
    update: (name, patch) => inbox.update(name, patch),
    undone: () => inbox.undone(),
    nextGwSeq: () => inbox.nextGwSeq(),
    pinEpoch: (runId, epoch) => inbox.pinEpoch(runId, epoch)
  }
}

/** Kills the process, as its ports see it, at the n-th of the points that work passes. */
class Crasher {
  #passed = 0
  #dead = false
  readonly points: string[] = []
  readonly #at: number

  constructor(at: number) {
    this.#at = at
  }

  get dead(): boolean {
    return this.#dead
  }

  /** `work` with a point before and one after it: done on disk, but nobody was told. */
  around<Args extends readonly unknown[], T>(name: string, work: (...args: Args) => Promise<T>) {
    return async (...args: Args): Promise<T> => {
      await this.#point(`before ${name}`)
      const result = await work(...args)
      await this.#point(`after ${name}`)
      return result
    }
  }

  async #point(name: string): Promise<void> {
    if (!this.#dead) {
      this.points.push(name)
      this.#dead = this.#passed === this.#at
      this.#passed += 1
    }
    // A killed process goes no further: not even to its error handling.
    if (this.#dead) await new Promise(() => undefined)
  }
}

function mortal(crasher: Crasher): Required<Pick<Overrides, 'inbox' | 'recorder' | 'commits'>> {
  const inbox = boundInbox(store.inbox)
  const commits = new ScriptedCommits(commitOf(PIPELINE))
  return {
    inbox: {
      ...inbox,
      update: crasher.around('update', inbox.update),
      nextGwSeq: crasher.around('nextGwSeq', inbox.nextGwSeq),
      pinEpoch: crasher.around('pinEpoch', inbox.pinEpoch)
    },
    commits: { read: crasher.around('read', () => commits.read()) },
    recorder: {
      witnessEpoch: () => registers.witnessEpoch(),
      recordRun: crasher.around('recordRun', (sealed) => registers.recordRun(sealed)),
      publish: crasher.around('publish', (sealed) => registers.publish(sealed))
    }
  }
}

describe('a gateway that is killed', () => {
  const POINTS = [
    'read',
    'pinEpoch',
    'nextGwSeq',
    'update',
    'recordRun',
    'publish',
    'update'
  ].flatMap((name) => [`before ${name}`, `after ${name}`])

  test.each(POINTS.map((name, at) => [name, at] as const))(
    '%s (point %i) makes exactly one run of the delivery after its restart',
    async (name, at) => {
      const delivery = await put(deliveryOf(1))
      const crasher = new Crasher(at)
      await intakeOf(mortal(crasher)).start()
      await eventually(`killed ${name}`, () => (crasher.dead ? true : undefined))
      expect(crasher.points.at(-1)).toBe(name)
      running = []
      await store.close()
      store = await openGatewayStore(`${folder.dir}/store`, key)

      registers.epoch = 2
      await intakeOf().start()
      const done = await settled(delivery)

      expect(done.state).toBe('recorded')
      expect([...registers.chosen.keys()]).toEqual([delivery.runId])
      expect(new Set(registers.proposed.map(({ annHash }) => annHash)).size).toBe(1)
      expect(registers.proposed.length).toBeGreaterThan(0)
      expect(registers.published).toContain(delivery.runId)
      expect(await store.inbox.undone()).toEqual([])
    }
  )

  test('passes no other point', async () => {
    const delivery = await put(deliveryOf(1))
    const crasher = new Crasher(Number.POSITIVE_INFINITY)

    await intakeOf(mortal(crasher)).start()
    await settled(delivery)
    await eventually('the last point', () => crasher.points.length === POINTS.length || undefined)

    expect(crasher.points).toEqual(POINTS)
  })
})
