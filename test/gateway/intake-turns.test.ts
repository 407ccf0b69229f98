import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { turnsOf } from '../../gateway/intake-turns.ts'
import type { CommitReader, Recorder } from '../../gateway/ports.ts'
import { Repositories, type Repository } from '../../gateway/repositories.ts'
import { INTAKE_PARALLEL_MAX } from '../../protocol/core/limits.ts'
import type { Delivery } from '../../protocol/store/inbox-store.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { commitOf, PIPELINE, PUSHES_ONLY, repositoryAt, urlOf } from '../support/gateway-rig.ts'
import { deliveryOf, IntakeRig } from '../support/intake-rig.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let rig: IntakeRig

beforeEach(async () => {
  rig = await IntakeRig.make()
})

afterEach(() => rig.stop())

const never = new Promise<never>(() => undefined)
const SILENT = 'silent.example'

/** Says nothing about what a silent forge has, as a firewall does; `reads` are all that began. */
class FirewalledCommits implements CommitReader {
  readonly readBranch = PUSHES_ONLY.readBranch
  readonly changedPaths = PUSHES_ONLY.changedPaths
  readonly reads: string[] = []

  async read({ name, url }: { name: string; url: string }) {
    this.reads.push(name)
    return url.includes(SILENT) ? await never : commitOf(PIPELINE)
  }
}

let deliveries = 0

function pushTo({ name, url }: Repository): Promise<Delivery> {
  deliveries += 1
  return rig.put(deliveryOf(deliveries, { repository: name, url }))
}

test('a silent repository with many pushes takes one place and holds nobody else up', async () => {
  const silent = repositoryAt('team/silent', urlOf('team/silent', SILENT))
  const site = repositoryAt('team/site')
  for (let count = 0; count < 2 * INTAKE_PARALLEL_MAX; count += 1) await pushTo(silent)
  const fresh = await pushTo(site)
  const commits = new FirewalledCommits()

  await rig.intake({ commits, repositories: new Repositories([silent, site]) }).start()

  expect((await rig.settled(fresh)).state).toBe('recorded')
  expect(commits.reads).toEqual(['team/silent', 'team/site'])
})

test('a silent forge with many repositories leaves a place to the other forges', async () => {
  const silent = Array.from({ length: 2 * INTAKE_PARALLEL_MAX }, (_, index) =>
    repositoryAt(`silent/${index}`, urlOf(`silent/${index}`, SILENT))
  )
  const site = repositoryAt('team/site')
  for (const repository of silent) await pushTo(repository)
  const first = await pushTo(site)
  const second = await pushTo(site)
  const commits = new FirewalledCommits()

  await rig.intake({ commits, repositories: new Repositories([...silent, site]) }).start()

  expect((await rig.settled(first)).state).toBe('recorded')
  expect((await rig.settled(second)).state).toBe('recorded')
  const begun = commits.reads.filter((name) => name.startsWith('silent/'))
  expect(begun).toHaveLength(INTAKE_PARALLEL_MAX - 1)
})

test('a delivery that failed does not go before fresh ones', async () => {
  const clock = new FakeClock()
  const order: string[] = []
  const commits: CommitReader = {
    ...PUSHES_ONLY,
    read: async ({ name }) => {
      order.push(name)
      if (name === 'team/0' && order.length === 1) throw new Error('down')
      // The failed one is ready again before this one is done.
      await clock.advance(1_000)
      return commitOf(PIPELINE)
    }
  }
  const all = [0, 1, 2].map((index) => repositoryAt(`team/${index}`))
  const pushes = []
  for (const repository of all) pushes.push(await pushTo(repository))

  const intake = rig.intake({ clock, commits, parallelMax: 1, repositories: new Repositories(all) })
  await intake.start()
  await Promise.all(pushes.map((delivery) => rig.settled(delivery)))

  expect(order).toEqual(['team/0', 'team/1', 'team/2', 'team/0'])
})

test("a repository's next commit is read while its last run waits for a quorum", async () => {
  const site = repositoryAt('team/site')
  const first = await pushTo(site)
  const second = await pushTo(site)
  const recorder: Recorder = {
    witnessEpoch: () => 1,
    isLost: () => false,
    recordRun: async (sealed) => {
      const { runId } = sealed.announcement
      return runId === first.runId ? await never : await rig.registers.recordRun(sealed)
    },
    publish: (sealed) => rig.registers.publish(sealed)
  }

  await rig.intake({ recorder, repositories: new Repositories([site]) }).start()

  expect((await rig.settled(second)).state).toBe('recorded')
  expect((await rig.stateOf(first))?.state).toBe('received')
})

test('sealed deliveries go beside the fetch of their repository: they ask no forge', () => {
  const bytes = new Uint8Array([1])
  const items = [bytes, undefined, bytes].map((sealed, index) => ({
    delivery: deliveryOf(index, { sealed }),
    tries: 0,
    readyAtMs: 0,
    fetchFailedAtMs: undefined,
    absentAtMs: undefined,
    refusedAtMs: undefined,
    sealedAtMs: undefined,
    isStale: false
  }))

  const { begin } = turnsOf(items, new Set(), { nowMs: 0, parallelMax: 3 })

  expect(begin).toEqual(items)
})
