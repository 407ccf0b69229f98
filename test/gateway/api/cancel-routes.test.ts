import { afterEach, expect, test, vi } from 'vitest'
import type { ApiParts } from '../../../gateway/api/parts.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import type { JobState } from '../../../protocol/core/job.ts'
import { openAnnouncement } from '../../../protocol/wire/announcement.ts'
import { ApiClient } from '../../support/api-client.ts'
import { ROSTER } from '../../support/control-parts.ts'
import { eventually } from '../../support/eventually.ts'
import { HttpRig, signedPost } from '../../support/http-rig.ts'
import { claimed, completed, jobLife, sealedRun } from '../../support/run-life.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const THREE_JOBS = [
  'jobs:',
  '  lint: { image: "debian:13", steps: [{ run: make lint }] }',
  '  build: { image: "debian:13", steps: [{ run: make }] }',
  '  deploy: { image: "debian:13", needs: [build], steps: [{ run: make deploy }] }',
  ''
].join('\n')

let rig: HttpRig
let api: ApiClient

afterEach(() => rig.stop())

/** A run whose first job has ended and whose second one runs. */
async function begun(cancel: ApiParts['cancel']) {
  rig = await HttpRig.make({ api: { roster: () => ROSTER, cancel } })
  api = await ApiClient.of(rig)
  const sealed = sealedRun(rig.key, { commit: 'a'.repeat(40), pipeline: THREE_JOBS })
  rig.board.addRun(sealed, 0)
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()], ['peer-onyx', completed()]), 0)
  rig.board.foldJob(jobLife(sealed, 1, ['peer-onyx', claimed()]), 0)
  return sealed
}

test('the order to cancel a run goes with reason and grace to each job that has not ended', async () => {
  const told: string[] = []
  const { announcement } = await begun(({ jobId, spec }, { reason, graceMs }) => {
    told.push(`${jobId} ${reason} ${graceMs}`)
    if (spec.name === 'build') return Promise.resolve('requested')
    return Promise.reject(new MeshError('JOB_ENDED', { id: jobId, state: 'skipped' }))
  })
  const { runId } = announcement

  const order = { reason: 'wrong', grace: '2m' }
  const { status, body } = await api.post(`/runs/${runId.slice(0, 6)}/cancel`, order)

  expect(status).toBe(200)
  expect(new Set(told)).toEqual(new Set([1, 2].map((index) => `${runId}.${index} wrong 120000`)))
  expect(body.run.id).toBe(runId)
  expect(body.jobs).toEqual([
    { id: `${runId}.1`, verdict: 'requested' },
    { id: `${runId}.2`, verdict: 'ended' }
  ])
})

test.each([
  ['11m', 'is too long: at most 10m are allowed'],
  ['0s', 'is too short: at least 1s is allowed'],
  ['30', 'is no duration: write it as in 90s, 30m or 1h30m']
])('a grace of %s is refused, with a way out', async (grace, problem) => {
  const { announcement } = await begun(() => Promise.resolve('cancelled'))

  for (const path of [`/runs/${announcement.runId}`, `/jobs/${announcement.runId}.1`]) {
    const { status, body } = await api.post(`${path}/cancel`, { grace })
    expect(status).toBe(400)
    expect(JSON.stringify(body)).toContain(problem)
  }
})

test('an order that waits for its job to end is shown with it', async () => {
  const { announcement } = await begun(() => Promise.resolve('requested'))
  const id = `${announcement.runId}.1`
  const terms = { reason: 'wrong', graceMs: 90_000 }
  const sealed = rig.board.run(announcement.runId)?.sealed
  if (sealed === undefined) throw new Error('the board has the run')
  const cancelled = ['peer-onyx', { kind: 'cancel', ...terms }] as const
  rig.board.foldJob(jobLife(sealed, 1, ['peer-onyx', claimed()], cancelled), 0)

  const { body } = await api.get(`/jobs/${id}`)

  expect(body.cancel).toEqual({ by: 'onyx', ...terms })
  expect(body.why).toBe('cancel asked for: wrong; its steps have 90 s to end')
})

test('a run that no quorum could be told of is said not to be cancelled', async () => {
  const facts = { answered: 1, witnesses: 3, quorum: 2 }
  const { announcement } = await begun(() =>
    Promise.reject(new MeshError('QUORUM_UNREACHABLE', facts))
  )

  const answer = await api.post(`/runs/${announcement.runId}/cancel`, {})

  expect(answer).toMatchObject({ status: 503, body: { code: 'QUORUM_UNREACHABLE' } })
})

test('a run without open jobs, and one that nobody knows, cannot be cancelled', async () => {
  const sealed = await begun(() => Promise.resolve('cancelled'))
  const { runId } = sealed.announcement
  for (const index of [1, 2]) {
    const deeds = [
      ['peer-onyx', claimed()],
      ['peer-onyx', completed()]
    ] as const
    rig.board.foldJob(jobLife(sealed, index, ...deeds), 0)
  }

  const ended = await api.post(`/runs/${runId}/cancel`, {})
  const unknown = await api.post('/runs/0123456789ABCDEFGHJKMNPQRS/cancel', {})
  const reader = await ApiClient.of(rig, ['read'])

  expect(ended).toMatchObject({ status: 409, body: { code: 'RUN_NOT_OPEN' } })
  expect(ended.body.facts).toEqual({ id: runId, state: 'succeeded' })
  expect(unknown).toMatchObject({ status: 404, body: { code: 'RUN_UNKNOWN' } })
  expect(await reader.post(`/runs/${runId}/cancel`, {})).toMatchObject({ status: 403 })
})

test('an agent is shown by its name and by its peer id', async () => {
  await begun(() => Promise.resolve('cancelled'))

  const { body } = await api.get('/agents/onyx')

  expect(body).toMatchObject({ name: 'onyx', peerId: 'peer-onyx' })
  expect((await api.get('/agents/peer-onyx')).body).toEqual(body)
  expect(await api.get('/agents/slate')).toMatchObject({
    status: 404,
    body: { code: 'AGENT_UNKNOWN', facts: { name: 'slate' } }
  })
})

/** The run of a push that this gateway has taken; no majority of witnesses can be told of it. */
async function taken(parts: Partial<ApiParts> = {}): Promise<string> {
  rig = await HttpRig.make({ api: { roster: () => ROSTER, ...parts } })
  rig.registers.reachable = false
  api = await ApiClient.of(rig)
  const { run } = (await rig.app.inject(signedPost())).json()
  return run
}

/** The run of a push that witnesses have been told of, and the board has not. */
async function recorded(parts: Partial<ApiParts> = {}): Promise<string> {
  const run = await taken(parts)
  rig.registers.reachable = true
  await eventually('it is recorded', async () => {
    return (await rig.store.inbox.byRun(run))?.state === 'recorded'
  })
  return run
}

test('of a run that is taken and not recorded yet a job is refused as its run is: ask again', async () => {
  const run = await taken()

  const ofRun = await api.post(`/runs/${run}/cancel`, {})
  const ofJob = await api.post(`/jobs/${run}.0/cancel`, {})

  expect(ofJob).toMatchObject({ status: 409, body: { code: 'RUN_NOT_OPEN' } })
  expect(ofJob.body.facts).toEqual({ id: run, state: 'received' })
  expect(ofJob.body.detail).toContain('ask again')
  expect(ofJob.body).toEqual({ ...ofRun.body, instance: ofJob.body.instance })
})

test('a job of a recorded run that this gateway has not heard of yet is to be asked for again', async () => {
  const run = await recorded()

  for (const path of [`/jobs/${run}.0`, `/runs/${run}`]) {
    const { status, body } = await api.post(`${path}/cancel`, {})
    expect({ status, code: body.code }).toEqual({ status: 409, code: 'RUN_NOT_OPEN' })
    expect(body.detail).toContain('has not heard of its jobs yet, ask again')
  }
  expect(await api.post(`/jobs/${run}.7/cancel`, {})).toMatchObject({
    status: 404,
    body: { code: 'JOB_UNKNOWN' }
  })
})

test('a job that ended so long ago that this gateway has dropped it is said to have ended', async () => {
  const state = { phase: 'succeeded' } as JobState
  const run = await recorded({ readJob: async () => state })

  const { status, body } = await api.post(`/jobs/${run}.0/cancel`, {})

  expect({ status, code: body.code }).toEqual({ status: 409, code: 'JOB_ENDED' })
  expect(body.facts).toEqual({ id: `${run}.0`, state: 'succeeded' })
})

test('a run that comes to the board while its witnesses are asked has its job found there', async () => {
  const readJob = async () => {
    const { sealed } = (await rig.store.inbox.byRun(run)) ?? {}
    if (sealed !== undefined) rig.board.addRun(openAnnouncement(sealed), 0)
    return undefined
  }
  const run = await recorded({ readJob })

  const { body } = await api.post(`/jobs/${run}.0/cancel`, {})

  expect(rig.board.job(`${run}.0`)).toBeDefined()
  expect(body.code).not.toBe('JOB_UNKNOWN')
})

test('a job of a run that its witnesses keep no more is unknown', async () => {
  const readJob = () => Promise.reject(new MeshError('RUN_GONE', { id: 'R' }))
  const run = await recorded({ readJob })

  expect(await api.post(`/jobs/${run}.0/cancel`, {})).toMatchObject({
    status: 404,
    body: { code: 'JOB_UNKNOWN', facts: { id: `${run}.0` } }
  })
})

test('a job of a run that nobody knows, or that is none of its run, is unknown', async () => {
  const { announcement } = await begun(() => Promise.resolve('cancelled'))

  for (const id of ['0123456789ABCDEFGHJKMNPQRS.0', `${announcement.runId}.7`, 'x', 'x.y']) {
    expect(await api.post(`/jobs/${id}/cancel`, {})).toMatchObject({
      status: 404,
      body: { code: 'JOB_UNKNOWN', facts: { id } }
    })
  }
})
