import { expect, test } from 'vitest'
import { runTold } from '../../../gateway/status/run-told.ts'
import { Board } from '../../../protocol/core/board.ts'
import type { JobOpBody } from '../../../protocol/core/job.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { claimed, completed, jobLife, sealedRun } from '../../support/run-life.ts'

const TWO_JOBS = [
  'jobs:',
  '  build: { image: "debian:13", steps: [{ run: make }] }',
  '  lint: { image: "debian:13", steps: [{ run: lint }] }'
].join('\n')

const OPTIONS = { channel: 'status', publicUrl: 'https://mesh.example' } as const

function rig(pipeline = TWO_JOBS) {
  const sealed = sealedRun(generateKey(), { commit: 'a'.repeat(40), pipeline })
  const board = new Board()
  board.addRun(sealed, 0)
  const { runId } = sealed.announcement
  const live = (index: number, ...deeds: readonly (readonly [string, JobOpBody])[]): void => {
    board.foldJob(jobLife(sealed, index, ...deeds), 0)
  }
  const told = () => runTold(sealed.announcement, board.jobsOf(runId), OPTIONS)
  const shown = () =>
    told().map(({ context, state, isFinal, description }) => {
      return `${context}: ${state}${isFinal ? '!' : ''} (${description})`
    })
  return { live, told, shown, runId }
}

test('a run has a context of its own and one for each job, with their pages', () => {
  const { told, runId } = rig()

  expect(told().map(({ context, targetUrl }) => [context, targetUrl])).toEqual([
    ['runner-mesh', `https://mesh.example/runs/${runId}`],
    ['runner-mesh/build', `https://mesh.example/jobs/${runId}.0`],
    ['runner-mesh/lint', `https://mesh.example/jobs/${runId}.1`]
  ])
})

test('a job is told from the queue to its end, and the run ends with the last of its jobs', () => {
  const { live, shown } = rig()

  expect(shown()).toEqual([
    'runner-mesh: queued (2 jobs queued)',
    'runner-mesh/build: queued (queued)',
    'runner-mesh/lint: queued (queued)'
  ])
  live(0, ['a', claimed()])
  expect(shown()[1]).toBe('runner-mesh/build: running (running)')
  live(
    0,
    ['a', claimed()],
    ['a', completed({ state: 'failed', reason: 'exit_code', message: 'step "make" exited 2' })]
  )
  expect(shown().slice(0, 2)).toEqual([
    'runner-mesh: running (1 of 2 jobs ended, 1 failed)',
    'runner-mesh/build: failed! (step "make" exited 2)'
  ])
  live(1, ['a', claimed()], ['a', completed({ durationMs: 48_200 })])
  expect(shown()).toEqual([
    'runner-mesh: failed! (1 failed of 2 jobs)',
    'runner-mesh/build: failed! (step "make" exited 2)',
    'runner-mesh/lint: succeeded! (succeeded in 48 s)'
  ])
})

test('a lost runner is not red while attempts are left', () => {
  const { live, shown } = rig()

  live(0, ['a', claimed('c1')], ['b', claimed('c2')])

  expect(shown()[1]).toBe('runner-mesh/build: running (runner lost, attempt 2 of 3)')
  expect(shown()[0]).toMatch(/^runner-mesh: running /)
})

test('a job that was given back says which attempt is next, one that is cancelled says why', () => {
  const { live, shown } = rig()
  const release = {
    kind: 'release',
    epoch: 1,
    claimId: 'c1',
    reason: 'drained',
    userCodeRan: true
  } as const

  live(0, ['a', claimed()], ['a', release])
  live(1, ['op', { kind: 'cancel', reason: 'superseded' }])

  expect(shown().slice(1)).toEqual([
    'runner-mesh/build: queued (queued, attempt 2 of 3)',
    'runner-mesh/lint: cancelled! (cancelled: superseded)'
  ])
})

test('a broken pipeline file is an error of the run, with its first message', () => {
  const { shown } = rig('jobs: 3')

  expect(shown()).toHaveLength(1)
  expect(shown()[0]).toMatch(/^runner-mesh: errored! \(.*jobs.*\)$/)
})

test('versions grow with what happens, of a job and of its run', () => {
  const { live, told } = rig()
  const versions = () => told().map(({ version }) => version)

  const before = versions()
  live(0, ['a', claimed()])
  const after = versions()

  expect(after[0]).toBeGreaterThan(before[0] ?? 0)
  expect(after[1]).toBeGreaterThan(before[1] ?? 0)
  expect(after[2]).toBe(before[2])
})

test('descriptions and contexts fit the forges, whatever is in them', () => {
  const name = 'n'.repeat(100)
  const { live, told } = rig(`jobs:\n  ${name}: { image: a, steps: [{ run: make }] }`)
  const message = `${'x'.repeat(138)}\u{1f600}\nline`
  live(0, ['a', claimed()], ['a', completed({ state: 'failed', reason: 'exit_code', message })])

  const [run, job] = told()

  expect(run?.description).toBe('1 failed of 1 job')
  expect(job?.description.length).toBeLessThanOrEqual(140)
  expect(job?.description).not.toMatch(/\p{Cs}/u)
  expect(job?.description).not.toContain('\n')
  expect(job?.context.length).toBeLessThanOrEqual(255)
})

test('what a pull request says has contexts of its own, beside a push of the same commit', () => {
  const sealed = sealedRun(generateKey(), { commit: 'a'.repeat(40), pipeline: TWO_JOBS })
  const { announcement } = sealed
  const { manifest } = announcement
  const origin = { ...manifest.origin, event: 'pull_request', number: '7' } as const
  const board = new Board()
  board.addRun(sealed, 0)
  const of = { ...announcement, manifest: { ...manifest, origin } }

  const told = runTold(of, board.jobsOf(announcement.runId), OPTIONS)

  expect(told.map(({ context }) => context).slice(0, 2)).toEqual([
    'runner-mesh-pr',
    'runner-mesh-pr/build'
  ])
})
