import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FORGE_HOOKS } from '../../gateway/hooks/forge-hooks.ts'
import { Receiver } from '../../gateway/hooks/receiver.ts'
import type { Intake } from '../../gateway/intake.ts'
import { Repositories } from '../../gateway/repositories.ts'
import { type Reception, SourceDoor } from '../../gateway/source-door.ts'
import { REPOSITORY_ABSENT_MS_MAX } from '../../protocol/core/limits.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import { eventually } from '../support/eventually.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { forgePost } from '../support/forge-delivery.ts'
import { commitOf, PIPELINE, repositoryOf, ScriptedCommits } from '../support/gateway-rig.ts'
import { IntakeRig, PATIENT } from '../support/intake-rig.ts'
import { NO_JOBS } from '../support/no-jobs.ts'

/* What is stored of a forge's push, after a restart and after a change of the settings. */

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const HERE = 'https://git.example/team/kernel.git'
const RENAMED = 'https://git.example/core/kernel.git'

const PUSH = JSON.stringify({
  ref: 'refs/heads/main',
  before: '0'.repeat(40),
  after: 'a'.repeat(40),
  repository: { id: 42, full_name: 'team/kernel', clone_url: HERE }
})

let rig: IntakeRig
let clock: FakeClock
let repositories: Repositories

beforeEach(async () => {
  rig = await IntakeRig.make()
  clock = new FakeClock()
  repositories = new Repositories([repositoryOf('gitea', 'team/kernel', { url: HERE })])
})

afterEach(() => rig.stop())

async function started(): Promise<Intake> {
  const commits = new ScriptedCommits(commitOf(PIPELINE))
  const intake = rig.intake({ clock, commits, repositories, random: PATIENT })
  await intake.start()
  return intake
}

function receive(intake: Intake, body: string, id: string, problem?: string): Promise<Reception> {
  const { inbox } = rig.store
  const disk = { problem: undefined }
  const door = new SourceDoor({ inbox, intake, disk, runIdOf: runIdOfOrigin })
  const numbers = { problem: () => Promise.resolve(problem) }
  const parts = { door, repositories, numbers, jobs: NO_JOBS, clock, log: silentLog() }
  const { headers } = forgePost('gitea', body, { id })
  return new Receiver(parts).receive(FORGE_HOOKS.gitea, headers, Buffer.from(body))
}

test('a push that was stored before a crash runs under the id that its sender was told', async () => {
  rig.registers.epoch = undefined
  const taken = await receive(await started(), PUSH, 'first')

  await rig.restart()
  rig.registers.epoch = 1
  await started()

  const run = await eventually('it is recorded', () => rig.registers.chosen.get(taken.run))
  const { origin } = run.announcement.manifest
  expect([origin.forgeHost, origin.repositoryId]).toEqual(['git.example', '42'])
})

test('a push of a repository that was renamed since runs once it is sent again', async () => {
  rig.registers.epoch = undefined
  const taken = await receive(await started(), PUSH, 'first')
  await rig.restart()
  rig.registers.epoch = 1
  clock = new FakeClock()
  repositories.replace([repositoryOf('gitea', 'core/kernel', { url: RENAMED })])
  const intake = await started()
  for (const ms of [REPOSITORY_ABSENT_MS_MAX / 2, REPOSITORY_ABSENT_MS_MAX]) {
    await eventually('it is waited for', () => clock.armed() > 0)
    await clock.advance(ms)
  }
  await eventually('it has ended', async () => {
    const state = (await rig.store.inbox.byRun(taken.run))?.state
    return state !== 'received' && state
  })

  const renamed = JSON.stringify({
    ...JSON.parse(PUSH),
    repository: { id: 42, full_name: 'core/kernel', clone_url: RENAMED }
  })
  const again = await receive(intake, renamed, 'second')

  expect(again).toMatchObject({ verdict: 'accepted', run: taken.run })
  const run = await eventually('it is recorded', () => rig.registers.chosen.get(taken.run))
  expect(run.announcement.manifest.url).toBe(RENAMED)
})

test("a push that names another repository's number starts nothing and is kept nowhere", async () => {
  const problem = 'its body has number 42 for team/kernel, and its forge says 7'
  const refused = await receive(await started(), PUSH, 'first', problem)

  expect(refused).toMatchObject({ verdict: 'ignored', delivery: 'first', run: '', reason: problem })
  expect((await rig.store.inbox.list(10, undefined)).deliveries).toEqual([])
})
