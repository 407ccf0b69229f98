import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ApiParts } from '../../../gateway/api/parts.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { jobIdOf, type SealedAnnouncement } from '../../../protocol/core/run.ts'
import { advertisement, ROSTER } from '../../support/control-parts.ts'
import { HttpRig, pushBody, signedPost } from '../../support/http-rig.ts'
import { claimed, completed, jobLife, sealedRun } from '../../support/run-life.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const TWO_JOBS = [
  'jobs:',
  '  lint: { image: "debian:13", steps: [{ run: make lint }] }',
  '  build: { image: "debian:13", steps: [{ run: make }], labels: { gpu: h100 } }',
  ''
].join('\n')

let rig: HttpRig
let token: { authorization: string }
let sealed: SealedAnnouncement
let runId: string

async function open(api: Partial<ApiParts> = {}): Promise<void> {
  rig = await HttpRig.make({ api: { roster: () => ROSTER, ...api } })
  token = await rig.bearer()
  sealed = sealedRun(rig.key, { commit: 'a'.repeat(40), pipeline: TWO_JOBS })
  runId = sealed.announcement.runId
  rig.board.addRun(sealed, Date.now())
}

beforeEach(() => open())
afterEach(() => rig.stop())

async function reopen(api: Partial<ApiParts>): Promise<void> {
  await rig.stop()
  await open(api)
}

function get(url: string, headers: Record<string, string> = {}) {
  return rig.app.inject({ method: 'GET', url, headers: { ...token, ...headers } })
}

async function json(url: string) {
  return (await get(url)).json()
}

test('GET /api/v1/runs/:id shows a delivered run as received until it is chosen, and as queued then', async () => {
  rig.registers.reachable = false
  const run = (await rig.app.inject(signedPost())).json().run

  const before = await json(`/api/v1/runs/${run}`)

  expect(before).toMatchObject({ id: run, state: 'received', branch: 'main', jobs: [] })
  rig.board.addRun(sealed, Date.now())
  expect(await json(`/api/v1/runs/${runId}`)).toMatchObject({
    id: runId,
    shortId: runId.slice(0, 6),
    state: 'queued',
    repository: 'team/kernel',
    title: 'sched: fix wakeup',
    gateway: rig.key.peerId,
    jobs: [
      { id: `${runId}.0`, name: 'lint', state: 'queued' },
      { id: `${runId}.1`, name: 'build', state: 'queued' }
    ]
  })
})

test('GET /api/v1/runs/:id takes the first of errored, failed, running and so on that any job has', async () => {
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()]), Date.now())
  expect((await json(`/api/v1/runs/${runId.slice(0, 6)}`)).state).toBe('running')

  const failed = completed({ state: 'failed', reason: 'exit_code', exitCode: 2 })
  rig.board.foldJob(jobLife(sealed, 1, ['peer-onyx', claimed()], ['peer-onyx', failed]), 0)

  expect((await json(`/api/v1/runs/${runId}`)).state).toBe('failed')
})

test('GET /api/v1/runs/:id names line and column where the pipeline file is wrong', async () => {
  const broken = TWO_JOBS.replace('labels', 'lables')
  const errored = sealedRun(rig.key, { commit: 'b'.repeat(40), pipeline: broken })
  rig.board.addRun(errored, Date.now())

  const run = await json(`/api/v1/runs/${errored.announcement.runId}`)

  expect(run).toMatchObject({ state: 'errored', jobs: [] })
  expect(run.error).toMatchObject({ code: 'PIPELINE_INVALID', line: 3, path: 'jobs.build.lables' })
  expect(run.error.column).toBeGreaterThan(1)
})

test('GET /api/v1/runs/:id says why a delivery was ignored', async () => {
  const delivery = { ...JSON.parse(pushBody()), repository: 'team/kernel' }
  const ignored = 'on.push of .runner-mesh.yml does not select main'
  await rig.store.inbox.put({
    key: 'team/kernel/x',
    deliveryId: 'x',
    repository: 'team/kernel',
    url: '',
    runId: '0123456789ABCDEFGHJKMNPQRS',
    receivedAtMs: 1,
    body: JSON.stringify(delivery),
    state: 'ignored',
    reason: ignored,
    reopenable: false,
    openEpoch: 0,
    sealed: undefined
  })

  const run = await json('/api/v1/runs/0123456789ABCDEFGHJKMNPQRS')

  expect(run).toMatchObject({ state: 'ignored', reason: ignored, pusher: 'lena', jobs: [] })
})

test('GET /api/v1/runs/:id asks the witnesses for a run that was recorded before a restart', async () => {
  const states = { '0': jobLife(sealed, 0, ['p', claimed()], ['p', completed()]) }
  let reads = 0
  await reopen({
    readJob: (jobId) => {
      reads += 1
      return Promise.resolve(jobId.endsWith('.0') ? states['0'] : undefined)
    }
  })
  const other = sealedRun(rig.key, { commit: 'c'.repeat(40), pipeline: TWO_JOBS })
  await putRecorded(other)

  const run = await json(`/api/v1/runs/${other.announcement.runId}`)

  expect(run.state).toBe('queued')
  expect(run.jobs.map(({ state }: { state: string }) => state)).toEqual(['succeeded', 'queued'])
  expect(reads).toBe(2)
})

test('GET /api/v1/runs/:id says that no quorum answers rather than guess', async () => {
  const facts = { answered: 1, witnesses: 3, quorum: 2 }
  await reopen({ readJob: () => Promise.reject(new MeshError('QUORUM_UNREACHABLE', facts)) })
  const other = sealedRun(rig.key, { commit: 'c'.repeat(40), pipeline: TWO_JOBS })
  await putRecorded(other)

  const reply = await get(`/api/v1/runs/${other.announcement.runId}`)

  expect(reply.json()).toMatchObject({ status: 503, code: 'QUORUM_UNREACHABLE', facts })
})

test('GET /api/v1/runs/:id does not know any other run', async () => {
  for (const id of ['x', '0'.repeat(26), '..%2f..%2fetc', 'ZZZZZZ']) {
    expect(await json(`/api/v1/runs/${id}`)).toMatchObject({ status: 404, code: 'RUN_UNKNOWN' })
  }
})

async function putRecorded({ announcement, bytes }: SealedAnnouncement): Promise<void> {
  const { origin, repository } = announcement.manifest
  await rig.store.inbox.put({
    key: `${repository}/${origin.commit}`,
    deliveryId: origin.commit,
    repository,
    url: '',
    runId: announcement.runId,
    receivedAtMs: 1,
    body: pushBody({ after: origin.commit }),
    state: 'recorded',
    reason: 'announced 2 jobs',
    reopenable: false,
    openEpoch: 0,
    sealed: bytes
  })
}

test('GET /api/v1/jobs shows where each job is, and in one line why', async () => {
  rig.board.foldAdvertisement(advertisement('onyx'), rig.bootMs())
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()]), Date.now())
  rig.board.stage(`${runId}.0`, 1, { name: 'step', step: 1, steps: 1 })

  const { jobs, next } = await json('/api/v1/jobs')

  expect(next).toBeNull()
  expect(jobs[0]).toMatchObject({
    id: `${runId}.0`,
    shortId: `${runId.slice(0, 6)}.0`,
    state: 'running',
    holder: 'onyx',
    epoch: 1,
    attempt: 1,
    stage: { name: 'step', step: 1, steps: 1 },
    why: ''
  })
  expect(jobs[1]).toMatchObject({ state: 'queued', holder: null, epoch: 0 })
  expect(jobs[1].why).toMatch(/no agent fits; closest is onyx .* needs gpu=h100/)
})

test('GET /api/v1/jobs/:id/why shows each requirement on each host, and what would help', async () => {
  rig.board.foldAdvertisement(advertisement('onyx'), rig.bootMs())
  const why = await json(`/api/v1/jobs/${runId}.1/why`)

  expect(why).toMatchObject({ waits: true, resolves: false, job: { id: `${runId}.1` } })
  expect(why.fix).toContain('add the label gpu: h100 in agent.yaml of onyx')
  const [onyx] = why.hosts
  expect(onyx).toMatchObject({ name: 'onyx', state: 'idle', takes: false, resolves: false })
  const rows = Object.fromEntries(
    onyx.requirements.map((row: { requirement: string; met: boolean }) => [
      row.requirement,
      row.met
    ])
  )
  expect(rows).toMatchObject({ 'label gpu': false, cpu: true, platform: true, 'takes jobs': true })

  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()]), Date.now())
  const runs = await json(`/api/v1/jobs/${runId}.0/why`)
  expect(runs).toMatchObject({ waits: false, resolves: true, fix: null, hosts: [] })
})

test('GET /api/v1/jobs filters by state, repository, ref, holder, run and time', async () => {
  const site = sealedRun(rig.key, {
    commit: 'd'.repeat(40),
    pipeline: TWO_JOBS,
    repository: 'team/site',
    ref: 'refs/heads/dev',
    issuedAtMs: 1_767_225_700_000
  })
  rig.board.addRun(site, Date.now())
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()]), Date.now())
  const count = async (query: string) => (await json(`/api/v1/jobs?${query}`)).jobs.length

  expect(await count('')).toBe(4)
  expect(await count('state=queued')).toBe(3)
  expect(await count('state=queued,running')).toBe(4)
  expect(await count('state=failed&state=leased')).toBe(1)
  expect(await count('repository=team/site')).toBe(2)
  expect(await count('ref=main')).toBe(2)
  expect(await count('ref=refs/heads/dev')).toBe(2)
  expect(await count('event=push')).toBe(4)
  expect(await count('event=manual')).toBe(0)
  expect(await count('holder=onyx')).toBe(1)
  expect(await count('holder=peer-onyx')).toBe(1)
  expect(await count('holder=nobody')).toBe(0)
  expect(await count(`run=${runId}&state=queued`)).toBe(1)
  expect(await count('since=2026-01-01T00:01:00Z')).toBe(2)
})

test('GET /api/v1/jobs gives every job once, page by page, newest run first', async () => {
  for (let number = 0; number < 5; number += 1) {
    const commit = String(number).padStart(40, 'e')
    const issuedAtMs = 1_767_226_000_000 + number
    rig.board.addRun(sealedRun(rig.key, { commit, pipeline: TWO_JOBS, issuedAtMs }), 0)
  }
  const seen: string[] = []

  for (let cursor = '', pages = 0; pages < 10; pages += 1) {
    const page = await json(`/api/v1/jobs?limit=5${cursor}`)
    seen.push(...page.jobs.map(({ id }: { id: string }) => id))
    if (page.next === null) break
    cursor = `&cursor=${page.next}`
  }

  expect(seen).toHaveLength(12)
  expect(new Set(seen).size).toBe(12)
  expect(seen.slice(-2)).toEqual([`${runId}.0`, `${runId}.1`])
})

test.each(['state=received', 'state=', 'event=commit', 'cursor=7K3QF2', 'run=x'])(
  'refuses ?%s of runs',
  async (query) => {
    const reply = await get(`/api/v1/runs?${query}`)

    expect(reply.json()).toMatchObject({ status: 400, code: 'REQUEST_INVALID' })
  }
)

test.each(['limit=0', 'limit=201', 'limit=x', 'cursor=x', 'state=waiting', 'stat=queued', 'ref='])(
  'refuses ?%s',
  async (query) => {
    const reply = await get(`/api/v1/jobs?${query}`)

    expect(reply.json()).toMatchObject({ status: 400, code: 'REQUEST_INVALID' })
  }
)

describe('GET /api/v1/jobs/:id', () => {
  test('takes the full and the short id, in any case', async () => {
    for (const id of [
      `${runId}.1`,
      `${runId.slice(0, 6)}.1`,
      `${runId.slice(0, 8).toLowerCase()}.1`
    ]) {
      expect((await json(`/api/v1/jobs/${id}`)).name).toBe('build')
    }
  })

  test('shows the outcome with its steps', async () => {
    const outcome = completed({ state: 'failed', reason: 'exit_code', exitCode: 2, message: 'no' })
    rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()], ['peer-onyx', outcome]), 0)

    expect(await json(`/api/v1/jobs/${runId}.0`)).toMatchObject({
      state: 'failed',
      reason: 'exit_code',
      exitCode: 2,
      why: 'no',
      holder: 'onyx',
      durationMs: 1_200,
      steps: [{ name: 'make', state: 'succeeded', exitCode: 0, durationMs: 900 }]
    })
  })

  test('names the candidates of an id that several jobs share, and knows no other', async () => {
    const reply = await json(`/api/v1/jobs/${runId.slice(0, 6)}`)

    expect(reply).toMatchObject({ status: 409, code: 'JOB_AMBIGUOUS' })
    expect(reply.facts.candidates).toBe(`${runId.slice(0, 6)}.0, ${runId.slice(0, 6)}.1`)
    for (const id of [jobIdOf(runId, 2), 'ZZZZZZ.0', 'x', '7K3QF2.0/../..']) {
      expect((await json(`/api/v1/jobs/${id}`)).status).toBe(404)
    }
  })
})

describe('GET /api/v1/runs', () => {
  test('lists recorded runs, newest first, with filter and cursor', async () => {
    const site = sealedRun(rig.key, {
      commit: 'd'.repeat(40),
      pipeline: TWO_JOBS,
      repository: 'team/site',
      issuedAtMs: 1_767_225_700_000
    })
    rig.board.addRun(site, 0)
    const ids = async (query: string) => {
      const { runs, next } = await json(`/api/v1/runs?${query}`)
      return [runs.map(({ id }: { id: string }) => id), next]
    }

    expect(await ids('')).toEqual([[site.announcement.runId, runId], null])
    expect(await ids('repository=team/kernel')).toEqual([[runId], null])
    expect(await ids('ref=main&event=push&state=queued')).toEqual([
      [site.announcement.runId, runId],
      null
    ])
    expect(await ids('event=tag')).toEqual([[], null])
    expect(await ids('state=waiting,running')).toEqual([[], null])
    const [first, next] = await ids('limit=1')
    expect(first).toEqual([site.announcement.runId])
    rig.board.drop(site.announcement.runId)
    expect(await ids(`limit=1&cursor=${next}`)).toEqual([[runId], null])
    expect((await get('/api/v1/runs?cursor=x')).statusCode).toBe(400)
  })
})
