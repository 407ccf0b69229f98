import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterEach, expect, test } from 'vitest'
import { Judge } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'
import { webhookHeaders } from '../support/standard-webhook.ts'

/* Disks that really are full: what is promised holds, what cannot be kept is not promised. */

/** More than fit the last page of a store's journal, side by side. */
const DELIVERIES = 24
const ROUNDS_MAX = 4
const SENDS_MS_MAX = 20_000

let e2e: E2eMesh | undefined
let judge: Judge | undefined
afterEach(async () => {
  judge?.stop()
  await e2e?.stop()
})

interface Answer {
  readonly ref: string
  /** 0 where the gateway was gone before it had read the request. */
  readonly status: number
  readonly type: string | null
  readonly body: { readonly run?: string; readonly code?: string; readonly detail?: string }
}

/** What the hook would post for `ref`; its commit was pushed before. */
async function deliver(mesh: E2eMesh, commit: string, ref: string): Promise<Answer> {
  const { name, secretFile } = mesh.repository
  const body = JSON.stringify({
    repository: name,
    ref,
    before: '0'.repeat(40),
    after: commit,
    pusher: 'somebody',
    time: new Date().toISOString()
  })
  const secret = (await readFile(secretFile, 'utf8')).trim()
  const parts = { secret, id: randomUUID(), seconds: Math.floor(Date.now() / 1_000), body }
  const headers = webhookHeaders(parts)
  const signal = AbortSignal.timeout(SENDS_MS_MAX)
  const url = `${mesh.mesh.httpUrl}/hooks/git`
  const reply = await fetch(url, { method: 'POST', headers, body, signal }).catch(closed)
  if (reply === undefined) return { ref, status: 0, type: null, body: {} }
  const answer = (await reply.json()) as Answer['body']
  return { ref, status: reply.status, type: reply.headers.get('content-type'), body: answer }
}

function isTaken({ status }: Answer): boolean {
  return status === 202
}

/** A connection that was closed has acknowledged nothing; any other end of a request is none. */
function closed(error: unknown): undefined {
  const cause = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (!['ECONNRESET', 'ECONNREFUSED', 'UND_ERR_SOCKET'].includes(String(code))) throw error
}

/** Starts it on its full disk, and waits for what it says of that. */
async function refusesToStart(mesh: E2eMesh, name: string): Promise<void> {
  // On its way out it has removed files, and with them made room for a start.
  mesh.disk(name).fill()
  const index = mesh.mesh.agents.findIndex((agent) => agent.name === name)
  const before = (await mesh.logOf(name)).length
  if (index < 0) mesh.mesh.startGateway()
  else mesh.mesh.startAgent(index)
  await saysWhy(mesh, name, before)
}

/** How the daemon ended that failed; said once, in no other words, behind byte `from` of its log. */
async function saysWhy(mesh: E2eMesh, name: string, from = 0): Promise<void> {
  const daemon = mesh.mesh.daemon(name)
  await eventually(`${name} ends`, () => {
    // What a daemon removes while it runs, a checkout say, is room again.
    mesh.disk(name).fill()
    return daemon.running ? undefined : true
  })
  expect(daemon.exitCode).toBe(70)
  const plain = (await mesh.logOf(name)).slice(from).split('\n')
  expect(plain.filter((line) => line !== '' && !line.startsWith('{'))).toEqual([
    expect.stringMatching(/^STORE_FAILED: .*No space left on device.* make room .* start it again$/)
  ])
}

test('a gateway with a full disk takes no delivery that it cannot keep, and loses none', async () => {
  e2e = await E2eMesh.start({ lease: 'short', smallDisks: ['gateway'] })
  judge = await Judge.start(e2e.peerIds)
  const mesh = e2e
  const first = await mesh.push(pipelineOf(1, 'true'), 'before')
  await mesh.ended(first.id, 1)
  const long = await mesh.push(pipelineOf(1, 'sleep 5'), 'long')
  await eventually('a job runs', () => judge?.startsOf(`${long.id}.0`)[0])

  const answers: Answer[] = []
  // What it removes meanwhile, a checkout say, is room again.
  for (let round = 0; round < ROUNDS_MAX && answers.every(isTaken); round += 1) {
    mesh.disk('gateway').fill()
    const refs = Array.from(
      { length: DELIVERIES },
      (_, index) => `refs/heads/full-${round}-${index}`
    )
    answers.push(...(await Promise.all(refs.map((ref) => deliver(mesh, first.commit, ref)))))
  }
  const taken = answers.filter(isTaken)
  const refused = answers.filter(({ status }) => status !== 202 && status !== 0)
  const unread = answers.filter(({ status }) => status === 0)

  for (const { status, type, body } of refused) {
    expect(status).toBe(503)
    expect(type).toMatch(/^application\/problem\+json/)
    expect(body).toMatchObject({ detail: expect.any(String) })
    expect(['STORE_FAILED', 'STOPPING']).toContain(body.code)
  }
  // Not all were taken; where a write of its own ended it before it read them, none was refused.
  expect(refused.length + unread.length).toBeGreaterThan(0)
  await saysWhy(mesh, 'gateway')

  // The others need no gateway for what was announced.
  await eventually('the job ends', async () => {
    const jobs = await mesh.mesh.agentJson<{ jobs: { id: string; state: string }[] }>(0, 'jobs')
    return jobs.jobs.find(({ id, state }) => id === `${long.id}.0` && state === 'succeeded')
  })
  await refusesToStart(mesh, 'gateway')

  await mesh.disk('gateway').free()
  mesh.mesh.startGateway()
  await mesh.mesh.ready()
  const [again] = [...refused, ...unread]
  const retried = await deliver(mesh, first.commit, again?.ref ?? '')
  expect(retried.status).toBe(202)
  for (const { body } of [...taken, retried]) {
    const [job] = await mesh.ended(body.run ?? '', 1)
    expect(job).toMatchObject({ state: 'succeeded', epoch: 1 })
    expect(judge.startsOf(`${body.run}.0`)).toHaveLength(1)
  }
  for (const run of [first, long]) {
    expect(await mesh.run(run.id)).toMatchObject({ commit: run.commit, state: 'succeeded' })
    expect(judge.startsOf(`${run.id}.0`)).toHaveLength(1)
  }
}, 240_000)

test('a witness with a full disk ends, the others go on, and it comes back', async () => {
  e2e = await E2eMesh.start({ lease: 'short', smallDisks: ['agent-2'] })
  judge = await Judge.start(e2e.peerIds)
  const first = await e2e.push(pipelineOf(1, 'true', 'agent-2'), 'before')
  await e2e.ended(first.id, 1)

  e2e.disk('agent-2').fill()
  const runs = [first]
  // Each run of them is a few hundred bytes more: the last page of its journal is soon over.
  await eventually(
    'the full witness has ended',
    async () => {
      if (e2e === undefined || !e2e.mesh.daemon('agent-2').running) return true
      const run = await e2e.push(pipelineOf(2, 'true', 'agent-1'), `run ${runs.length}`)
      runs.push(run)
      await e2e.ended(run.id, 2)
      return undefined
    },
    120_000
  )
  await saysWhy(e2e, 'agent-2')
  const without = await e2e.push(pipelineOf(2, 'true', 'agent-3'), 'with three of four')
  runs.push(without)
  await e2e.ended(without.id, 2)
  await refusesToStart(e2e, 'agent-2')

  await e2e.disk('agent-2').free()
  e2e.mesh.startAgent(1)
  await e2e.mesh.ready()
  const after = await e2e.push(pipelineOf(1, 'true', 'agent-2'), 'after')
  runs.push(after)
  await e2e.ended(after.id, 1)
  for (const run of runs) {
    for (const job of await e2e.jobs(run.id)) {
      expect(job).toMatchObject({ state: 'succeeded', epoch: 1 })
      expect(judge.startsOf(job.id)).toHaveLength(1)
    }
  }
}, 240_000)

test('an agent whose disk fills under its job ends it, and another runs it', async () => {
  const smallDisks = ['agent-1', 'agent-2', 'agent-3']
  e2e = await E2eMesh.start({ lease: 'short', smallDisks })
  judge = await Judge.start(e2e.peerIds)
  const script = 'for i in 1 2 3 4 5 6 7 8 9 10; do echo "line $i"; sleep 1; done'
  const run = await e2e.push(pipelineOf(1, script))
  const job = `${run.id}.0`
  const first = await eventually(`${job} starts`, () => judge?.startsOf(job)[0])
  const name = smallDisks[e2e.peerIds.indexOf(first.peer)] ?? ''

  const more: string[] = []
  await eventually(
    'the agent with the full disk has ended',
    async () => {
      if (e2e === undefined || !e2e.mesh.daemon(name).running) return true
      // What it removes meanwhile is room again, and the last page of its journal takes some more.
      e2e.disk(name).fill()
      more.push((await e2e.push(pipelineOf(8, 'true'), `run ${more.length}`)).id)
      await e2e.ended(more.at(-1) ?? '', 8)
      return undefined
    },
    120_000
  )
  await saysWhy(e2e, name)
  const [done] = await e2e.ended(run.id, 1)
  // None of them ends badly for the disk of one host, whichever tried it first.
  for (const each of more) {
    for (const { id, state } of await e2e.ended(each, 8)) {
      expect([id, state]).toEqual([id, 'succeeded'])
      expect(judge.overlapsOf(id)).toEqual([])
    }
  }
  await e2e.disk(name).free()
  e2e.mesh.startAgent(smallDisks.indexOf(name))
  await e2e.mesh.ready()

  expect(done).toMatchObject({ state: 'succeeded' })
  expect(judge.overlapsOf(job)).toEqual([])
  const last = judge.startsOf(job).at(-1)
  const ended = judge.seen.find(
    ({ action, container }) => action === 'die' && container === first.container
  )
  expect(ended?.atMs).toBeLessThan(last?.atMs ?? 0)
  expect(last?.peer).not.toBe(first.peer)
  expect(done?.epoch).toBe(last?.epoch)
  expect(await e2e.log(job)).toMatch(/line 10/)
  await e2e.clean()
}, 240_000)
