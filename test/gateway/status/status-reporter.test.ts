import { expect, test } from 'vitest'
import type { Repository } from '../../../gateway/repositories.ts'
import { StatusReporter } from '../../../gateway/status/status-reporter.ts'
import type { Told } from '../../../gateway/status/told.ts'
import { Board } from '../../../protocol/core/board.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { repositoryOf } from '../../support/gateway-rig.ts'
import { claimed, jobLife, sealedRun } from '../../support/run-life.ts'

const PIPELINE = 'jobs:\n  build: { image: "debian:13", steps: [{ run: make }] }'
const MINE = generateKey()
const OTHER = generateKey()

function rig(change: Partial<Repository> = {}) {
  const board = new Board()
  const clock = new FakeClock()
  const told: Told[] = []
  const linked = new Set<string>()
  const url = 'git://forge.example:9418/team/kernel.git'
  const declared: Repository = {
    ...repositoryOf('gitea', 'team/kernel', { url }),
    credential: 'forge',
    ...change
  }
  const repositories = {
    find: (name: string) => (name === 'team/kernel' ? declared : undefined)
  }
  const reporter = new StatusReporter(
    {
      board,
      outbox: {
        tell: (one) => {
          told.push(one)
          return Promise.resolve()
        }
      },
      repositories,
      self: MINE.peerId,
      linked: () => linked,
      clock,
      log: silentLog()
    },
    { publicUrl: undefined }
  )
  const sealed = (key = MINE) => sealedRun(key, { commit: 'a'.repeat(40), pipeline: PIPELINE })
  return { board, clock, told, linked, reporter, sealed }
}

const contexts = (told: readonly Told[]): string[] => told.map(({ context }) => context)

test('at its start all that is on the board is compared with what was told', () => {
  const { board, reporter, sealed, told } = rig()
  board.addRun(sealed(), 0)

  reporter.start()

  expect(contexts(told)).toEqual(['runner-mesh', 'runner-mesh/build'])
  reporter.stop()
})

test('what changes on the board is told at once', () => {
  const { board, reporter, sealed, told } = rig()
  const run = sealed()
  board.addRun(run, 0)
  board.foldJob(jobLife(run, 0, ['a', claimed()]), 0)

  reporter.note(run.announcement.runId)
  reporter.note('UNKNOWN')

  expect(told.map(({ state }) => state)).toEqual(['running', 'running'])
})

test.each([
  ['a forge without a credential', { credential: undefined }],
  ['bare Git without a callback', { forge: 'git', credential: 'key' }],
  ['another repository of that name', { url: 'git://elsewhere.example/team/kernel.git' }]
] as const)('%s is told nothing', (_what, change) => {
  const { board, reporter, sealed, told } = rig(change)
  board.addRun(sealed(), 0)

  reporter.note(sealed().announcement.runId)

  expect(told).toEqual([])
})

test('runs of another gateway are told once that has been away for ten minutes, and no longer', async () => {
  const { board, clock, linked, reporter, sealed, told } = rig()
  board.addRun(sealed(OTHER), 0)
  linked.add(OTHER.peerId)
  reporter.start()

  await clock.advance(3_600_000)
  expect(told).toEqual([])
  linked.clear()
  await clock.advance(540_000)
  expect(told).toEqual([])
  await clock.advance(180_000)
  expect(contexts(told)).toContain('runner-mesh/build')
  linked.add(OTHER.peerId)
  const count = told.length
  await clock.advance(3_600_000)
  expect(told).toHaveLength(count)
  reporter.stop()
  expect(clock.armed()).toBe(0)
})

test('one that has just begun gives the other gateway the same ten minutes', async () => {
  const { board, clock, reporter, sealed, told } = rig()
  board.addRun(sealed(OTHER), 0)
  reporter.start()

  await clock.advance(540_000)
  expect(told).toEqual([])
  await clock.advance(120_000)
  expect(told.length).toBeGreaterThan(0)
  reporter.stop()
})

test('a run that waits for an approval is pending, and red only where it is not given', () => {
  const { reporter, told } = rig()
  const run = {
    repository: 'team/kernel',
    runId: 'RUN1',
    event: 'pull_request',
    ref: 'refs/pull/7/head',
    commit: 'b'.repeat(40),
    sinceMs: 5
  }

  reporter.waitingForApproval(run)
  reporter.approvalOver(run, 'superseded by a later commit')

  expect(told.map(({ state, isFinal, description }) => [state, isFinal, description])).toEqual([
    ['queued', false, 'waiting for approval'],
    ['cancelled', true, 'superseded by a later commit']
  ])
  expect(contexts(told)).toEqual(['runner-mesh-pr', 'runner-mesh-pr'])
})
