import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Repositories } from '../../../gateway/repositories.ts'
import { ApiClient } from '../../support/api-client.ts'
import { eventually } from '../../support/eventually.ts'
import { commitOf, repositoryAt, ScriptedCommits } from '../../support/gateway-rig.ts'
import { GitFixture } from '../../support/git-fixture.ts'
import { HttpRig, pushBody, signedPost } from '../../support/http-rig.ts'
import { claimed, completed, jobLife } from '../../support/run-life.ts'

/* Orders for runs; where branches are is asked of a real Git server. */

// Real files, processes and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const PIPELINE = [
  'on:',
  '  push: {}',
  '  manual: { inputs: { target: { default: staging } } }',
  'jobs: { build: { image: "debian:13", steps: [{ run: make }] } }'
].join('\n')

let git: GitFixture
let rig: HttpRig
let api: ApiClient
let head: string

beforeEach(async () => {
  git = await GitFixture.serve()
  head = await git.commit({ Makefile: 'all:\n' })
  rig = await HttpRig.make({
    repositories: new Repositories([repositoryAt('team/kernel', git.url)]),
    commits: new ScriptedCommits(commitOf(PIPELINE))
  })
  api = await ApiClient.of(rig)
})

afterEach(async () => {
  await rig.stop()
  await git.stop()
})

async function branch(name: string, commit: string): Promise<void> {
  await git.git(['--git-dir', git.bare, 'update-ref', `refs/heads/${name}`, commit])
}

function recorded(run: string) {
  return eventually('it is recorded', () => rig.registers.chosen.get(run))
}

const order = { repository: 'team/kernel', ref: 'main', inputs: { target: 'production' } }

test('a run by hand is of the commit where its branch is now, with its inputs', async () => {
  const { status, body } = await api.post('/runs', order)

  expect(status).toBe(202)
  expect(body).toMatchObject({ verdict: 'accepted', run: expect.stringMatching(/^\w{26}$/) })
  const { announcement } = await recorded(body.run)
  const { origin, inputs, pusher, jobs, trust } = announcement.manifest
  expect(origin).toMatchObject({ event: 'manual', ref: 'refs/heads/main', commit: head })
  expect(inputs).toEqual({ target: 'production' })
  expect(pusher).toMatch(/^test \(token [0-9a-f]{8}\)$/)
  expect(jobs).toHaveLength(1)
  expect(trust).toBe('trusted')
})

test('two orders with one key are one run, also where the branch has moved; without, each is its own', async () => {
  const keyed = { 'idempotency-key': 'nightly-2026-01-01' }
  const first = await api.post('/runs', order, keyed)
  await git.commit({ Makefile: 'all: other\n' })

  const second = await api.post('/runs', order, keyed)
  const third = await api.post('/runs', order)
  const fourth = await api.post('/runs', order)

  expect(second).toMatchObject({
    status: 202,
    body: { verdict: 'duplicate', run: first.body.run }
  })
  expect(new Set([first, third, fourth].map(({ body }) => body.run)).size).toBe(3)
})

test('a commit alone is the one branch that it is at, and must be where a branch is', async () => {
  const next = await git.commit({ Makefile: 'all: next\n' })
  const start = (change: object) => api.post('/runs', { repository: 'team/kernel', ...change })

  const gone = await start({ commit: head })
  const elsewhere = await start({ commit: head, ref: 'main' })
  const found = await start({ commit: next })
  await branch('dev', next)
  const several = await start({ commit: next })

  expect(gone).toMatchObject({ status: 404, body: { code: 'REF_UNKNOWN' } })
  expect(elsewhere).toMatchObject({ status: 409, body: { code: 'COMMIT_ELSEWHERE' } })
  expect(elsewhere.body.facts).toMatchObject({ ref: 'refs/heads/main', at: next, commit: head })
  expect((await recorded(found.body.run)).announcement.manifest.origin.ref).toBe('refs/heads/main')
  expect(several).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } })
  expect(several.body.detail).toContain('refs/heads/dev, refs/heads/main')
})

test('an order that cannot be one says why, and nothing is kept of it', async () => {
  const undeclared = await api.post('/runs', { ...order, repository: 'team/other' })
  const unknown = await api.post('/runs', { ...order, ref: 'nowhere' })
  const neither = await api.post('/runs', { repository: 'team/kernel' })
  const short = await api.post('/runs', { repository: 'team/kernel', commit: head.slice(0, 7) })
  const badKey = await api.post('/runs', order, { 'idempotency-key': 'x'.repeat(65) })
  const long = await api.post('/runs', { ...order, inputs: { target: 'x'.repeat(1_025) } })
  const named = await api.post('/runs', { ...order, inputs: { 'a b': 'x' } })
  const reader = await ApiClient.of(rig, ['read'])
  const forbidden = await reader.post('/runs', order)
  await git.stop()
  const unreachable = await api.post('/runs', order)

  expect(undeclared).toMatchObject({ status: 404, body: { code: 'REPOSITORY_UNDECLARED' } })
  expect(unknown).toMatchObject({ status: 404, body: { code: 'REF_UNKNOWN' } })
  for (const each of [neither, short, badKey, long, named]) {
    expect(each).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } })
  }
  expect(forbidden).toMatchObject({ status: 403, body: { code: 'SCOPE_MISSING' } })
  expect(unreachable).toMatchObject({ status: 503, body: { code: 'FORGE_UNREACHABLE' } })
  expect((await api.get('/deliveries')).body).toEqual({ deliveries: [], next: null })
})

/** The run of a push, recorded and on the board. */
async function pushed(): Promise<string> {
  const { run } = (await rig.app.inject(signedPost(pushBody({ after: head })))).json()
  rig.board.addRun(await recorded(run), 0)
  return run
}

function end(run: string): void {
  const sealed = rig.registers.chosen.get(run)
  if (sealed === undefined) throw new Error('it is not recorded')
  const failed = completed({ state: 'failed', reason: 'exit_code', exitCode: 2 })
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()], ['peer-onyx', failed]), 0)
}

test('an ended run is run anew as one of its own, once for each key', async () => {
  const run = await pushed()
  end(run)
  const keyed = { 'idempotency-key': 'again' }

  const first = await api.post(`/runs/${run.slice(0, 8)}/retry`, undefined, keyed)
  const second = await api.post(`/runs/${run}/retry`, undefined, keyed)
  const other = await api.post(`/runs/${run}/retry`)

  expect(first).toMatchObject({ status: 202, body: { verdict: 'accepted' } })
  expect(second).toMatchObject({ status: 202, body: { verdict: 'duplicate', run: first.body.run } })
  expect(new Set([run, first.body.run, other.body.run]).size).toBe(3)
  const { manifest } = (await recorded(first.body.run)).announcement
  expect(manifest.origin).toMatchObject({ event: 'push', ref: 'refs/heads/main', commit: head })
  expect(manifest).toMatchObject({ pusher: 'lena', trust: 'trusted' })
})

test('a run that has not ended is not run anew, nor one that another gateway has announced', async () => {
  const run = await pushed()

  const running = await api.post(`/runs/${run}/retry`)
  const unknown = await api.post('/runs/0123456789ABCDEFGHJKMNPQRS/retry')

  expect(running).toMatchObject({ status: 409, body: { code: 'RUN_NOT_ENDED' } })
  expect(running.body.facts).toEqual({ id: run, state: 'queued' })
  expect(unknown).toMatchObject({ status: 404, body: { code: 'RUN_UNKNOWN' } })
})

const GRAPH = [
  'jobs:',
  '  lint: { image: "debian:13", steps: [{ run: make lint }] }',
  '  build: { image: "debian:13", steps: [{ run: make }] }',
  '  test: { image: "debian:13", needs: [build], steps: [{ run: make test }] }'
].join('\n')

/** An ended run of three jobs, of which only `test` failed. */
async function halfGood(): Promise<string> {
  await rig.stop()
  rig = await HttpRig.make({
    repositories: new Repositories([repositoryAt('team/kernel', git.url)]),
    commits: new ScriptedCommits(commitOf(GRAPH))
  })
  api = await ApiClient.of(rig)
  const run = await pushed()
  const sealed = rig.registers.chosen.get(run)
  if (sealed === undefined) throw new Error('it is not recorded')
  const bad = { state: 'failed', reason: 'exit_code', exitCode: 2 } as const
  for (const { index, name } of sealed.announcement.manifest.jobs) {
    const end = completed(name === 'test' ? bad : {})
    rig.board.foldJob(jobLife(sealed, index, ['peer-onyx', claimed()], ['peer-onyx', end]), 0)
  }
  return run
}

async function jobsOf(answer: { body: { run: string } }): Promise<readonly string[]> {
  const { announcement } = await recorded(answer.body.run)
  return announcement.manifest.jobs.map(({ name }) => name)
}

test('what failed of a run is run anew with what it needs, and not what had succeeded beside it', async () => {
  const run = await halfGood()

  const failed = await api.post(`/runs/${run}/retry`, { jobs: 'failed' })
  const all = await api.post(`/runs/${run}/retry`, { jobs: 'all' })

  expect(failed).toMatchObject({ status: 202, body: { verdict: 'accepted' } })
  expect(await jobsOf(failed)).toEqual(['build', 'test'])
  expect(await jobsOf(all)).toEqual(['lint', 'build', 'test'])
})

test('one job is run anew by its id', async () => {
  const run = await halfGood()

  const lint = await api.post(`/jobs/${run}.0/retry`)

  expect(lint).toMatchObject({ status: 202, body: { verdict: 'accepted' } })
  expect(await jobsOf(lint)).toEqual(['lint'])
  expect(await api.post(`/jobs/${run}.9/retry`)).toMatchObject({ status: 404 })
})

test('of a run in which nothing failed there is nothing to run anew', async () => {
  const run = await pushed()
  const sealed = rig.registers.chosen.get(run)
  if (sealed === undefined) throw new Error('it is not recorded')
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()], ['peer-onyx', completed({})]), 0)

  const answer = await api.post(`/runs/${run}/retry`, { jobs: 'failed' })

  expect(answer).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } })
  expect(answer.body.detail).toContain('have succeeded')
})

const INLINE = [
  'on: { manual: {} }',
  'jobs: { bench: { image: "debian:13", secrets: [NPM_TOKEN], steps: [{ run: make bench }] } }'
].join('\n')

test("a pipeline that comes with the order runs in place of the commit's, as a stranger's", async () => {
  const { status, body } = await api.post('/runs', { ...order, inputs: {}, pipeline: INLINE })

  expect(status).toBe(202)
  const { manifest } = (await recorded(body.run)).announcement
  expect(manifest.jobs.map(({ name }) => name)).toEqual(['bench'])
  expect(manifest).toMatchObject({ trust: 'untrusted', origin: { commit: head } })
})

test("it is the repository's own for a token that may say so", async () => {
  const trusted = await ApiClient.of(rig, ['read', 'write', 'trusted'])

  const { body } = await trusted.post('/runs', { ...order, inputs: {}, pipeline: INLINE })
  const usual = await trusted.post('/runs', order)

  expect((await recorded(body.run)).announcement.manifest.trust).toBe('trusted')
  expect((await recorded(usual.body.run)).announcement.manifest.trust).toBe('trusted')
})

test('one that is wrong is refused with its place, and nothing is kept of it', async () => {
  const wrong = await api.post('/runs', { ...order, pipeline: 'jobs:\n  build: { imag: x }\n' })

  expect(wrong).toMatchObject({ status: 422, body: { code: 'PIPELINE_INVALID' } })
  expect(wrong.body.detail).toMatch(/^pipeline:2:\d+: jobs\.build/)
  expect((await api.get('/deliveries')).body).toEqual({ deliveries: [], next: null })
})

test('one without `on.manual` starts nothing, and its delivery says why', async () => {
  const text = 'on: { push: {} }\njobs: { a: { image: x, steps: [{ run: y }] } }'
  const { body } = await api.post('/runs', { ...order, pipeline: text })

  const state = async () => (await api.get(`/runs/${body.run}`)).body.state
  await eventually('it is ignored', async () => (await state()) === 'ignored')
  expect(rig.registers.chosen.has(body.run)).toBe(false)
})
