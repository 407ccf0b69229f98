import { Writable } from 'node:stream'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { CommitCache } from '../../../gateway/forge/commit-cache.ts'
import { Repositories } from '../../../gateway/repositories.ts'
import { RepositorySchedule } from '../../../gateway/schedule/repository-schedule.ts'
import { Scheduler } from '../../../gateway/schedule/scheduler.ts'
import { SourceDoor } from '../../../gateway/source-door.ts'
import type { Manifest } from '../../../protocol/core/run.ts'
import { createLog, type Log, silentLog } from '../../../protocol/host/log.ts'
import type { MeshStore } from '../../../protocol/store/mesh-store.ts'
import type { RowTable } from '../../../protocol/store/row-table.ts'
import { runIdOfOrigin } from '../../../protocol/wire/run-id.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { repositoryAt, temporaryFolder } from '../../support/gateway-rig.ts'
import { GitFixture } from '../../support/git-fixture.ts'
import { IntakeRig } from '../../support/intake-rig.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

/* Real repositories behind a real Git server, a real inbox and store; only the time is made. */

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const MINUTE = 60_000
/** A fresh FakeClock shows 08:16:40 UTC. */
const AT = { cron: '30 8 * * *', minute: '2027-01-15T08:30Z', inMs: 13 * MINUTE + 20_000 }

function pipeline(...schedules: readonly string[]): string {
  return [
    `on: { push: {}, schedule: [${schedules.join(', ')}] }`,
    'jobs: { build: { image: "debian:13", steps: [{ run: make }] } }',
    ''
  ].join('\n')
}

const at = (cron: string, branch?: string): string =>
  `{ cron: '${cron}'${branch === undefined ? '' : `, branch: ${branch}`} }`

let git: GitFixture
let clock: FakeClock
let repositories: Repositories
let mesh: IntakeRig
let log: Log

beforeEach(async () => {
  git = await GitFixture.serve()
  clock = new FakeClock()
  log = silentLog()
  repositories = new Repositories([repositoryAt('team/kernel', git.url)])
  mesh = await IntakeRig.make()
})

afterEach(async () => {
  await mesh.stop()
  await git.stop()
})

/** A gateway's calendar, on a store that may be an earlier one's; its runs go into `mesh`. */
async function calendar(store: MeshStore = mesh.store, isKnown = () => false) {
  const { dir, remove } = await temporaryFolder()
  const commits = new CommitCache({ log: silentLog() }, { dir })
  const { inbox, schedules: table } = store
  const intake = mesh.intake({ commits, repositories, inbox })
  await intake.start()
  const disk = { problem: undefined }
  const door = new SourceDoor({ inbox, intake, disk, runIdOf: runIdOfOrigin })
  const access = () => Promise.resolve(undefined)
  const schedule = new RepositorySchedule({ commits, access, door, isKnown, log })
  const random = new SeededRandom(7)
  const scheduler = new Scheduler({ repositories, schedule, table, clock, random, log })
  await scheduler.start()
  await clock.advance(1_000)
  const stop = async (): Promise<void> => {
    await scheduler.stop()
    await intake.stop(0)
  }
  onTestFinished(async () => {
    await stop()
    await remove()
  })
  return { scheduler, stop }
}

/** Once its file was read: then what it says is in the store. */
async function read(commit: string, store: MeshStore = mesh.store): Promise<void> {
  await eventually('the file is read', async () => {
    for await (const { row } of store.schedules.load<{ commit: string }>()) {
      if (row.commit === commit) return true
    }
    return false
  })
}

function manifests(): readonly Manifest[] {
  return [...mesh.registers.chosen.values()].map(({ announcement }) => announcement.manifest)
}

async function runs(count: number): Promise<readonly Manifest[]> {
  return await eventually(`${count} runs`, () => manifests().length >= count && manifests())
}

/** Every entry of the repository has come to that minute. */
async function done(untilMs: number): Promise<void> {
  await eventually('the minute is done with', async () => {
    for await (const { row } of mesh.store.schedules.load<{ entries: { afterMs: number }[] }>()) {
      if (row.entries.every(({ afterMs }) => afterMs >= untilMs)) return true
    }
    return false
  })
}

test('a planned minute starts a run of the newest commit of the default branch', async () => {
  const commit = await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron)) })
  await calendar()
  await read(commit)
  await clock.advance(AT.inMs - 2_000)
  expect(manifests()).toHaveLength(0)

  await clock.advance(2_000)
  const [run] = await runs(1)

  expect(run).toMatchObject({
    error: undefined,
    pusher: '',
    origin: { event: 'schedule', ref: 'refs/heads/main', commit }
  })
  expect(run?.origin.rerunNonce.startsWith(AT.minute)).toBe(true)
  expect(run?.jobs.map(({ name }) => name)).toEqual(['build'])
})

test('each planned minute is a run of its own', async () => {
  const commit = await git.commit({ '.runner-mesh.yml': pipeline(at('*/10 * * * *')) })
  await calendar()
  await read(commit)

  await clock.advance(4 * MINUTE)
  await runs(1)
  await clock.advance(10 * MINUTE)
  const found = await runs(2)

  const minutes = found.map(({ origin }) => origin.rerunNonce.slice(0, 17)).sort()
  expect(minutes).toEqual(['2027-01-15T08:20Z', '2027-01-15T08:30Z'])
})

test('a branch that a schedule names is run at its own newest commit', async () => {
  const next = await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron)), next: '1' })
  await git.git(['--git-dir', git.bare, 'update-ref', 'refs/heads/next', next])
  const main = await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron, 'next')) })
  await calendar()
  await read(main)

  await clock.advance(AT.inMs)
  const [run] = await runs(1)

  expect(run?.origin).toMatchObject({ ref: 'refs/heads/next', commit: next })
  expect(run?.jobs).toHaveLength(1)
})

test('a push that changes the schedules is taken up when a look has seen it', async () => {
  const before = await git.commit({ '.runner-mesh.yml': pipeline(at('0 20 * * *')) })
  const { scheduler } = await calendar()
  await read(before)
  const commit = await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron)) })

  scheduler.noteHeads({ repository: 'team/kernel', refs: { 'refs/heads/main': commit } })
  await read(commit)
  await clock.advance(AT.inMs)

  expect(await runs(1)).toHaveLength(1)
})

test('a schedule that is new does not run a minute that passed before it', async () => {
  await clock.advance(AT.inMs + MINUTE)
  const commit = await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron), at('40 8 * * *')) })
  await calendar()
  await read(commit)

  await clock.advance(10 * MINUTE)
  const [run] = await runs(1)

  expect(run?.origin.rerunNonce.startsWith('2027-01-15T08:40Z')).toBe(true)
  expect(manifests()).toHaveLength(1)
})

test('two gateways give one run for one planned minute', async () => {
  const other = await IntakeRig.make()
  onTestFinished(() => other.stop())
  const commit = await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron)) })
  await calendar()
  await read(commit)
  await calendar(other.store)
  await read(commit, other.store)

  await clock.advance(AT.inMs)
  for (const store of [mesh.store, other.store]) {
    await eventually('it has its delivery', async () => {
      return (await store.inbox.list(9, undefined)).deliveries.length === 1
    })
  }

  expect(await runs(1)).toHaveLength(1)
})

test('what another gateway has started on another commit is left alone', async () => {
  const commit = await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron)) })
  await calendar(mesh.store, () => true)
  await read(commit)

  await clock.advance(AT.inMs)
  await done(clock.wallMs() - MINUTE)

  expect((await mesh.store.inbox.list(9, undefined)).deliveries).toHaveLength(0)
})

test('a gateway that starts again does not run a minute twice, though the branch has moved', async () => {
  const commit = await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron)) })
  const first = await calendar()
  await read(commit)
  await clock.advance(AT.inMs)
  await runs(1)
  await first.stop()
  // As a gateway that was killed before it had written down how far it was.
  const rows: { number: number; row: { entries: object[] } }[] = []
  for await (const each of mesh.store.schedules.load<{ entries: object[] }>()) rows.push(each)
  await mesh.store.schedules.write(
    rows.map(({ number, row }) => {
      const entries = row.entries.map((entry) => ({ ...entry, afterMs: clock.wallMs() - AT.inMs }))
      return { number, row: { ...row, entries } }
    })
  )
  await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron)), more: '1' })

  await calendar()
  await done(clock.wallMs() - 2 * MINUTE)

  expect((await mesh.store.inbox.list(9, undefined)).deliveries).toHaveLength(1)
})

test('a gateway that was down for the minute runs it late, once', async () => {
  const commit = await git.commit({ '.runner-mesh.yml': pipeline(at('*/5 * * * *')) })
  const first = await calendar()
  await read(commit)
  await first.stop()
  await clock.advance(AT.inMs + 2 * MINUTE)

  await calendar()
  const [run] = await runs(1)

  expect(run?.origin.rerunNonce.startsWith('2027-01-15T08:30Z')).toBe(true)
  expect(manifests()).toHaveLength(1)
})

test('a gateway that was down for longer leaves the minute out', async () => {
  const commit = await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron)) })
  const first = await calendar()
  await read(commit)
  await first.stop()
  await clock.advance(AT.inMs + 16 * MINUTE)

  await calendar()
  await done(clock.wallMs() - MINUTE)

  expect((await mesh.store.inbox.list(9, undefined)).deliveries).toHaveLength(0)
})

test('a server that is away at the minute is asked again, and the run begins late', async () => {
  const said: string[] = []
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, taken) => {
      said.push((JSON.parse(chunk.toString()) as { msg: string }).msg)
      taken()
    }
  })
  log = createLog({ name: 'test', level: 'warn', stream })
  const commit = await git.commit({ '.runner-mesh.yml': pipeline(at(AT.cron)) })
  await calendar()
  await read(commit)
  const head = ['--git-dir', git.bare, 'config']
  await git.git([...head, 'daemon.uploadpack', 'false'])

  await clock.advance(AT.inMs)
  await eventually('it was refused', () => said.includes('scheduled run not started yet'))
  await git.git([...head, '--unset', 'daemon.uploadpack'])
  await clock.advance(30_000)
  const [run] = await runs(1)

  expect(run?.origin).toMatchObject({ commit })
})

test('a thousand repositories are read a few at a time, and their one minute is run in minutes', async () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `r${index}`)
  const many = new Repositories(names.map((name) => repositoryAt(name)))
  const state = { flying: 0, flyingMax: 0, reads: 0, runs: new Set<string>() }
  const work = async (): Promise<void> => {
    state.flying += 1
    state.flyingMax = Math.max(state.flyingMax, state.flying)
    await new Promise<void>((done) => void clock.arm(300, done))
    state.flying -= 1
  }
  const schedule = {
    read: async ({ name, url }: { name: string; url: string }, _known: unknown, nowMs: number) => {
      await work()
      state.reads += 1
      const entries = [{ cron: AT.cron, afterMs: nowMs }]
      return { repository: name, url, branch: 'main', commit: 'c', entries }
    },
    run: async ({ name }: { name: string }) => {
      await work()
      state.runs.add(name)
    }
  }
  // A disk's own time would be lost between the steps of this one.
  const table: RowTable = {
    async *load() {},
    read: () => Promise.resolve(undefined),
    write: () => Promise.resolve()
  }
  const parts = { repositories: many, schedule, table, clock, random: new SeededRandom(7) }
  const scheduler = new Scheduler({ ...parts, log: silentLog() })
  await scheduler.start()
  onTestFinished(() => scheduler.stop())

  await clock.until(() => state.reads === 1_000, AT.inMs)
  const readMs = clock.bootMs() - 1_000_000
  await clock.until(() => state.runs.size === 1_000, AT.inMs - readMs + 5 * MINUTE)

  expect(state.flyingMax).toBeLessThanOrEqual(4)
  expect(readMs).toBeLessThan(AT.inMs)
  expect(clock.bootMs() - 1_000_000 - AT.inMs).toBeLessThan(2 * MINUTE)
})
