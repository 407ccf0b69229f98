import { expect, test } from 'vitest'
import { branchOf, jobContext, jobDocument } from '../../../protocol/api/job-document.ts'
import { type JobDocument, jobSchema } from '../../../protocol/api/job-schema.ts'
import { Board } from '../../../protocol/core/board.ts'
import type { GpuLook } from '../../../protocol/core/gpu-look.ts'
import type { JobState } from '../../../protocol/core/job.ts'
import type { SealedRoster } from '../../../protocol/core/roster.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { advertisement, ROSTER } from '../../support/control-parts.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { claimed, completed, jobLife, sealedRun } from '../../support/run-life.ts'

const PIPELINE = 'jobs: { build: { image: "debian:13", steps: [{ run: make }] } }\n'
const ISSUED_MS = 1_767_225_600_000

const key = generateKey()
const sealed = sealedRun(key, { commit: 'a'.repeat(40), pipeline: PIPELINE, issuedAtMs: ISSUED_MS })
const { runId } = sealed.announcement
const jobId = `${runId}.0`

interface Seen {
  readonly state?: JobState
  readonly roster?: () => SealedRoster | undefined
  /** Wall clock of who looks, after the announcement. */
  readonly afterMs?: number
  /** What agents have said, by who said it. */
  readonly looks?: Readonly<Record<string, GpuLook>>
}

function documentOf({
  state,
  roster = () => ROSTER,
  afterMs = 60_000,
  looks = {}
}: Seen = {}): JobDocument {
  const board = new Board()
  board.addRun(sealed, ISSUED_MS)
  if (state !== undefined) board.foldJob(state, ISSUED_MS + 10_000)
  board.stage(jobId, 1, { name: 'step', step: 1, steps: 1 })
  const clock = new FakeClock()
  clock.jumpWall(ISSUED_MS + afterMs - clock.wallMs())
  for (const [name, gpuLook] of Object.entries(looks)) {
    board.foldAdvertisement(advertisement(name, { gpuLook }), clock.bootMs() - 2_000)
  }
  const job = board.job(jobId)
  if (job === undefined) throw new Error('the board has the job')
  return jobDocument(job, jobContext({ board, clock, roster }))
}

test('a queued job says what it is of and why it waits, and nobody holds it', () => {
  const document = documentOf()

  expect(jobSchema.parse(document)).toEqual(document)
  expect(document).toMatchObject({
    id: jobId,
    shortId: `${runId.slice(0, 6)}.0`,
    run: runId,
    repository: 'team/kernel',
    ref: 'refs/heads/main',
    branch: 'main',
    commit: 'a'.repeat(40),
    title: 'sched: fix wakeup',
    name: 'build',
    state: 'queued',
    holder: null,
    epoch: 0,
    stage: null,
    durationMs: null,
    announcedAt: '2026-01-01T00:00:00.000Z',
    ageMs: 60_000,
    steps: []
  })
  expect(document.why).toMatch(/^no agent is known/)
})

test('a held job names its holder, its step, and the time since its lease', () => {
  const document = documentOf({ state: jobLife(sealed, 0, ['peer-onyx', claimed()]) })

  expect(jobSchema.parse(document)).toEqual(document)
  expect(document).toMatchObject({
    state: 'running',
    holder: 'onyx',
    epoch: 1,
    attempt: 1,
    attemptsMax: 3,
    stage: { name: 'step', step: 1, steps: 1 },
    durationMs: 50_000
  })
})

test('an ended job keeps its holder and shows its outcome, steps that did not run too', () => {
  const steps = [
    { name: 'make', state: 'failed', exitCode: 2, durationMs: 900 },
    { name: 'check', state: 'not_run', exitCode: undefined, durationMs: 0 }
  ] as const
  const outcome = completed({ state: 'failed', reason: 'exit_code', exitCode: 2, steps })
  const state = jobLife(sealed, 0, ['peer-onyx', claimed()], ['peer-onyx', outcome])
  const document = documentOf({ state })

  expect(jobSchema.parse(document)).toEqual(document)
  expect(document).toMatchObject({
    state: 'failed',
    reason: 'exit_code',
    exitCode: 2,
    holder: 'onyx',
    durationMs: 1_200,
    stage: null
  })
  expect(document.steps).toEqual([steps[0], { ...steps[1], exitCode: null }])
})

test('a holder that has left the roster is named by its peer id', () => {
  const gone = jobLife(sealed, 0, ['peer-gone', claimed()])
  const known = jobLife(sealed, 0, ['peer-onyx', claimed()])

  expect(documentOf({ state: gone }).holder).toBe('peer-gone')
  expect(documentOf({ state: known, roster: () => undefined }).holder).toBe('peer-onyx')
})

test('a clock behind the one that announced makes nothing younger than new', () => {
  const state = jobLife(sealed, 0, ['peer-onyx', claimed()])

  expect(documentOf({ state, afterMs: -5_000 })).toMatchObject({ ageMs: 0, durationMs: 0 })
})

test('a job whose run has just left the board is still shown', () => {
  const board = new Board()
  board.addRun(sealed, ISSUED_MS)
  const job = board.job(jobId)
  if (job === undefined) throw new Error('the board has the job')
  const context = jobContext({ board, clock: new FakeClock(), roster: () => ROSTER })
  const gone = { run: () => undefined, shortId: () => 'X.0' }

  const document = jobDocument(job, { ...context, board: gone })

  expect(jobSchema.parse(document)).toMatchObject({ id: jobId, repository: '', branch: '' })
})

test.each([
  ['refs/heads/main', 'main'],
  ['refs/heads/dev/refs/heads/x', 'dev/refs/heads/x'],
  ['refs/tags/v1', 'refs/tags/v1'],
  ['', '']
])('the branch of "%s" is "%s"', (ref, branch) => {
  expect(branchOf(ref)).toBe(branch)
})

test('a job that runs is shown with its use of GPUs by the word of its holder alone', () => {
  const lookOf = (busyPercent: number): GpuLook => ({
    ageMs: 4_000,
    gpus: [
      { id: 'nvidia:GPU-1', jobs: [{ job: jobId, busyPercent }] },
      { id: 'nvidia:GPU-2', jobs: [{ job: `${runId}.7`, busyPercent: 1 }] }
    ]
  })
  const looks = { onyx: lookOf(60), basalt: lookOf(99) }
  const held = jobLife(sealed, 0, ['peer-onyx', claimed()])

  const running = documentOf({ state: held, looks })
  const queued = documentOf({ looks })
  const ended = documentOf({
    state: jobLife(sealed, 0, ['peer-onyx', claimed()], ['peer-onyx', completed()]),
    looks
  })

  expect(jobSchema.parse(running).gpusNow).toEqual([
    { gpu: 'nvidia:GPU-1', busyPercent: 60, memoryBytes: null, ageMs: 6_000 }
  ])
  expect([queued.gpusNow, ended.gpusNow]).toEqual([[], []])
})
