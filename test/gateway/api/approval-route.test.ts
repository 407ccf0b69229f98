import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Repositories } from '../../../gateway/repositories.ts'
import { ApiClient } from '../../support/api-client.ts'
import { eventually } from '../../support/eventually.ts'
import { forgePost } from '../../support/forge-delivery.ts'
import {
  commitOf,
  factsOf,
  repositoryOf,
  ScriptedCommits,
  ScriptedFacts
} from '../../support/gateway-rig.ts'
import { HttpRig } from '../../support/http-rig.ts'
import { pullRequestBody } from '../../support/pull-request-delivery.ts'
import { sealedRun } from '../../support/run-life.ts'

/* From a stranger's pull request to the order that lets it run, all of it over HTTP. */

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const HEAD = 'c'.repeat(40)
const PIPELINE = [
  'on: { push: {}, pull_request: {} }',
  'jobs: { build: { image: "debian:13", steps: [{ run: make }] } }'
].join('\n')

let rig: HttpRig
let api: ApiClient
let facts: ScriptedFacts

beforeEach(async () => {
  const url = 'https://git.example/team/kernel.git'
  facts = new ScriptedFacts(factsOf())
  rig = await HttpRig.make({
    repositories: new Repositories([repositoryOf('gitea', 'team/kernel', { url })]),
    commits: new ScriptedCommits(commitOf(PIPELINE)),
    facts
  })
  api = await ApiClient.of(rig)
})

afterEach(() => rig.stop())

/** The id of a run that waits. */
async function opened(head = HEAD, number = 7): Promise<string> {
  facts.answer = factsOf({ headCommit: head, number })
  const post = forgePost('gitea', pullRequestBody({ action: 'opened', head, number }), {
    event: 'pull_request',
    id: `delivery-${head.slice(0, 4)}-${number}`
  })
  const { run } = (await rig.app.inject(post)).json()
  await eventually('it waits', async () => (await stateOf(run)) === 'waiting')
  return run
}

async function stateOf(run: string): Promise<string> {
  return (await api.get(`/runs/${run}`)).body.state
}

async function listed(query: string): Promise<readonly string[]> {
  const { body } = await api.get(`/runs?${query}`)
  return body.runs.map(({ id }: { id: string }) => id)
}

test('a run that waits is listed and found by its short id, and runs once it is approved', async () => {
  const run = await opened()

  expect(await listed('state=waiting')).toEqual([run])
  const { body: shown } = await api.get(`/runs/${run.slice(0, 6)}`)
  expect(shown).toMatchObject({ id: run, state: 'waiting', event: 'pull_request', jobs: [] })
  const { status, body } = await api.post(`/runs/${shown.shortId}/approve`)

  expect(status).toBe(200)
  expect(body).toMatchObject({ id: run })
  await eventually('it is recorded', () => rig.registers.chosen.get(run))
  expect(await listed('state=waiting')).toEqual([])
  expect((await rig.store.inbox.byRun(run))?.approvedBy).toMatch(/^test \(token [0-9a-f]{8}\)$/)
  const again = await api.post(`/runs/${run}/approve`)
  expect(again).toMatchObject({ status: 409, body: { code: 'APPROVAL_GIVEN' } })
})

test('runs that wait are in the list of all, each once, page by page and by what they are', async () => {
  const waiting = [
    await opened(),
    await opened('d'.repeat(40), 8),
    await opened('e'.repeat(40), 9)
  ].reverse()
  const chosen = sealedRun(rig.key, { commit: 'a'.repeat(40), pipeline: PIPELINE })
  rig.board.addRun(chosen, 0)
  const all = [...waiting, chosen.announcement.runId]
  const seen: string[] = []

  for (let cursor = '', pages = 0; pages < 4; pages += 1) {
    const { body } = await api.get(`/runs?limit=1${cursor}`)
    seen.push(...body.runs.map(({ id }: { id: string }) => id))
    cursor = `&cursor=${body.next}`
    if (body.next === null) break
  }

  expect(seen).toHaveLength(4)
  // Two that came in one millisecond stand by their ids.
  expect(new Set(seen)).toEqual(new Set(all))
  expect(seen.at(-1)).toBe(chosen.announcement.runId)
  expect(await listed('event=push')).toEqual([chosen.announcement.runId])
  expect(await listed('event=pull_request&ref=refs/pull/8/head')).toEqual([waiting[1]])
  expect(await listed('repository=team/site')).toEqual([])
  expect(await listed('state=queued')).toEqual([chosen.announcement.runId])
})

test('a run that waits for nothing is not approved, and says what it is', async () => {
  const chosen = sealedRun(rig.key, { commit: 'a'.repeat(40), pipeline: PIPELINE })
  rig.board.addRun(chosen, 0)

  const known = await api.post(`/runs/${chosen.announcement.runId}/approve`)
  const unknown = await api.post('/runs/0123456789ABCDEFGHJKMNPQRS/approve')

  expect(known).toMatchObject({ status: 409, body: { code: 'APPROVAL_NOT_WAITED' } })
  expect(known.body.facts).toMatchObject({ state: 'queued' })
  expect(unknown).toMatchObject({ status: 404, body: { code: 'RUN_UNKNOWN' } })
})

test('a token that may only read approves nothing', async () => {
  const run = await opened()
  const reader = await ApiClient.of(rig, ['read'])

  const answer = await reader.post(`/runs/${run}/approve`)

  expect(answer).toMatchObject({ status: 403, body: { code: 'SCOPE_MISSING' } })
  expect(await stateOf(run)).toBe('waiting')
})

test('a run that waits is not cancelled, and the refusal names what ends it', async () => {
  const run = await opened()

  const { status, body } = await api.post(`/runs/${run}/cancel`, {})

  expect({ status, code: body.code }).toEqual({ status: 409, code: 'RUN_NOT_OPEN' })
  expect(body.detail).toContain(`POST /api/v1/runs/${run}/reject`)
  for (const id of [run, run.slice(0, 6)]) {
    const ofJob = await api.post(`/jobs/${id}.0/cancel`, {})
    expect(ofJob).toMatchObject({ status: 409, body: { code: 'RUN_NOT_OPEN', facts: { id: run } } })
  }
  expect(await stateOf(run)).toBe('waiting')
  expect((await api.post(`/runs/${run}/reject`)).status).toBe(200)
})

test('a run that is rejected ends with who said so and why, and its head waits no more', async () => {
  const run = await opened()

  const { status, body } = await api.post(`/runs/${run}/reject`, { reason: 'mines coins' })

  expect(status).toBe(200)
  expect(body).toMatchObject({ id: run, state: 'ignored' })
  expect(body.reason).toMatch(/^rejected by test \(token [0-9a-f]{8}\): mines coins$/)
  expect(await listed('state=waiting')).toEqual([])
  const late = await api.post(`/runs/${run}/approve`)
  expect(late).toMatchObject({ status: 409, body: { code: 'APPROVAL_NOT_WAITED' } })
  const labelled = pullRequestBody({ action: 'labeled', head: HEAD, number: 7 })
  const post = forgePost('gitea', labelled, { event: 'pull_request', id: 'labelled-later' })
  expect((await rig.app.inject(post)).json()).toMatchObject({ verdict: 'duplicate', run })
  expect(rig.registers.chosen.has(run)).toBe(false)
})

test('a push after that waits anew, and nothing that does not wait is rejected', async () => {
  const run = await opened()
  await api.post(`/runs/${run}/reject`)

  const next = await opened('d'.repeat(40))

  expect(await listed('state=waiting')).toEqual([next])
  const again = await api.post(`/runs/${run}/reject`)
  expect(again).toMatchObject({ status: 409, body: { code: 'APPROVAL_NOT_WAITED' } })
  const reader = await ApiClient.of(rig, ['read'])
  expect(await reader.post(`/runs/${next}/reject`)).toMatchObject({ status: 403 })
})
