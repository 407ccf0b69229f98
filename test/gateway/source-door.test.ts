import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Intake } from '../../gateway/intake.ts'
import { Repositories } from '../../gateway/repositories.ts'
import { type Bringer, SourceDoor } from '../../gateway/source-door.ts'
import type { SourceEvent } from '../../gateway/source-event.ts'
import { codeOf } from '../../protocol/core/errors.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import { eventually } from '../support/eventually.ts'
import { commitOf, repositoryOf, ScriptedCommits } from '../support/gateway-rig.ts'
import { IntakeRig } from '../support/intake-rig.ts'

/* Events that no hook brings: polls, people, the calendar. */

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const REPOSITORY = repositoryOf('gitea', 'team/kernel', {
  url: 'https://git.example/team/kernel.git',
  branches: ['main']
})
const COMMIT = 'a'.repeat(40)

const push = {
  kind: 'push',
  repository: 'team/kernel',
  repositoryId: '42',
  ref: 'refs/heads/main',
  before: 'b'.repeat(40),
  after: COMMIT,
  pusher: 'lena',
  time: ''
} as const
const ordered = {
  kind: 'manual',
  repository: 'team/kernel',
  repositoryId: '42',
  ref: 'refs/heads/main',
  commit: COMMIT,
  inputs: { target: 'staging' },
  pusher: 'lena',
  nonce: 'request-1'
} as const

let rig: IntakeRig
let intake: Intake
let door: SourceDoor
let commits: ScriptedCommits

beforeEach(async () => {
  rig = await IntakeRig.make()
  commits = new ScriptedCommits(commitOf(pipelineOf('on: { push: {} }')))
  intake = rig.intake({ commits, repositories: new Repositories([REPOSITORY]) })
  const disk = { problem: undefined }
  door = new SourceDoor({ inbox: rig.store.inbox, intake, disk, runIdOf: runIdOfOrigin })
  await intake.start()
})

afterEach(() => rig.stop())

function pipelineOf(on: string): string {
  return `${on}\njobs: { build: { image: "debian:13", steps: [{ run: make }] } }`
}

function bring(bringer: Bringer, id: string, event: SourceEvent) {
  return door.admit({ bringer, id, event, repository: REPOSITORY, receivedAtMs: 1 })
}

function manifestOf(run: string) {
  return eventually('it is recorded', () => {
    return rig.registers.chosen.get(run)?.announcement.manifest
  })
}

describe('what several bring', () => {
  test('is one run where it means one thing, whoever is first', async () => {
    const polled = await bring('poll', 'one', push)
    const told = await bring('hook', 'one', push)

    expect(polled.verdict).toBe('accepted')
    expect(told).toMatchObject({ verdict: 'duplicate', run: polled.run })
  })

  test('is two deliveries where ids of a hook and of a poll are the same by chance', async () => {
    await bring('hook', 'one', push)
    const other = await bring('poll', 'one', { ...push, after: 'c'.repeat(40) })

    expect(other.verdict).toBe('accepted')
  })

  test('is refused by the settings as of a hook', async () => {
    const dev = await bring('poll', 'one', { ...push, ref: 'refs/heads/dev' })
    const gone = await bring('poll', 'two', { ...push, kind: 'tag', after: '0'.repeat(40) })

    expect([dev.verdict, gone.verdict]).toEqual(['ignored', 'ignored'])
    expect(dev.reason).toBe('branch dev is not selected in gateway.yaml')
  })
})

describe('a run that a person asks for', () => {
  test('has the inputs and the name of whoever asked, on the repository as declared', async () => {
    const inputs = '{ inputs: { target: { default: test, values: [test, staging] } } }'
    commits.answers = [commitOf(pipelineOf(`on: { manual: ${inputs} }`))]

    const { run } = await bring('manual', 'request-1', ordered)

    expect(await manifestOf(run)).toMatchObject({
      origin: { event: 'manual', ref: 'refs/heads/main', rerunNonce: 'request-1' },
      inputs: { target: 'staging' },
      pusher: 'lena',
      trust: 'trusted'
    })
  })

  test('is one, however often the same request comes, and another one is another', async () => {
    const first = await bring('manual', 'request-1', ordered)
    const again = await bring('manual', 'request-1', ordered)
    const other = await bring('manual', 'request-2', { ...ordered, nonce: 'request-2' })

    expect(again).toMatchObject({ verdict: 'duplicate', run: first.run })
    expect(other.run).not.toBe(first.run)
  })

  test.each(['x'.repeat(101), 'a\nb', 'a\u202eb'])('is refused with nonce %j', async (nonce) => {
    expect(await bring('manual', 'one', { ...ordered, nonce }).catch(codeOf)).toBe(
      'REQUEST_INVALID'
    )
  })
})

describe('filters of paths', () => {
  const on = "on: { push: { paths: ['src/**'] } }"

  test('are asked about what a push has changed', async () => {
    commits.answers = [commitOf(pipelineOf(on))]
    commits.paths = ['docs/a.md']
    const ignored = await bring('hook', 'one', push)
    await eventually('it has ended', async () => {
      return (await rig.store.inbox.byRun(ignored.run))?.state === 'ignored'
    })
    commits.paths = ['src/a.c']
    const { run } = await bring('hook', 'two', { ...push, after: 'c'.repeat(40) })

    expect((await manifestOf(run)).jobs).toHaveLength(1)
    expect(commits.changes).toEqual([
      { kind: 'push', before: push.before, after: COMMIT },
      { kind: 'push', before: push.before, after: 'c'.repeat(40) }
    ])
  })

  test('select what nobody can tell', async () => {
    commits.answers = [commitOf(pipelineOf(on))]

    const { run } = await bring('hook', 'one', push)

    expect((await manifestOf(run)).jobs).toHaveLength(1)
  })

  test('cost nothing where there are none', async () => {
    const { run } = await bring('hook', 'one', push)
    await manifestOf(run)

    expect(commits.changes).toEqual([])
  })
})
