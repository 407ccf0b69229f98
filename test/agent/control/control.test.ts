import { expect, test } from 'vitest'
import { jobsSchema, logSchema, statusSchema } from '../../../agent/control/contract.ts'
import { controlApp } from '../../../agent/control/server.ts'
import { problemSchema } from '../../../protocol/api/problem.ts'
import { whySchema } from '../../../protocol/api/why-schema.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { controlParts, ROSTER, RUN } from '../../support/control-parts.ts'

const DAY_MS = 86_400_000

const get = async (parts: ReturnType<typeof controlParts>, url: string) => {
  const reply = await controlApp(parts, silentLog()).inject({ method: 'GET', url })
  return { status: reply.statusCode, type: reply.headers['content-type'], body: reply.json() }
}

test('status shows every member of the roster, this one first', async () => {
  const { status, body } = await get(controlParts(), '/v1/status')

  expect(status).toBe(200)
  const view = statusSchema.parse(body)
  expect(view.peers.map((peer) => `${peer.name} ${peer.state}`)).toEqual([
    'onyx idle',
    'basalt idle',
    'front offline'
  ])
  expect(view.peers[1]?.roundTripMs).toBe(3.2)
  expect(view.witnesses).toEqual({ total: 3, perRun: 3, quorum: 2, reachable: 3 })
  expect(view.jobs).toEqual({ queued: 2, running: 0, ended: 0 })
  expect(view.health).toEqual([])
})

test('a member with a link is up, but an agent has yet to say what it is', async () => {
  const links = ['basalt', 'front'].map((name) => {
    return { peerId: `peer-${name}`, address: 'x', rttMs: 3.2, sinceMs: 0 }
  })
  const parts = controlParts({ links: () => links })
  for (const name of ['onyx', 'basalt']) parts.board.forgetAgent(`peer-${name}`)
  const { peers } = statusSchema.parse((await get(parts, '/v1/status')).body)

  expect(peers.map(({ name, state, lastSeenMs }) => [name, state, lastSeenMs])).toEqual([
    ['onyx', 'starting', 0],
    ['basalt', 'starting', null],
    ['front', 'up', 0]
  ])
})

test('health lines come with a way out', async () => {
  const away = [
    { peerId: 'a', name: 'onyx', reachable: true },
    { peerId: 'b', name: 'basalt', reachable: false },
    { peerId: 'c', name: 'front', reachable: false }
  ]
  const fix = 'apt-get install busybox-static'
  const parts = controlParts({
    health: () => ({ witnesses: away, w: 3, quorum: 2 }),
    problems: () => [{ code: 'HOST_BUSYBOX', message: 'busybox: missing', fix }]
  })
  const view = statusSchema.parse((await get(parts, '/v1/status')).body)

  expect(view.health.map(({ code }) => code)).toEqual(['QUORUM_UNREACHABLE', 'HOST_BUSYBOX'])
  for (const line of view.health) expect(line.fix).toMatch(/\w+/)
})

test('a clock that is off is named, one that is right is not', async () => {
  const parts = controlParts()
  parts.clock.jumpWall(-60_000)
  const view = statusSchema.parse((await get(parts, '/v1/status')).body)

  expect(view.health[0]?.message).toContain('60.0 s ahead of this host')
})

test.each([
  [40, undefined],
  [20, 'membership of basalt, front, onyx ends, the first in 20 days'],
  [-1, 'membership of basalt, front, onyx ends, the first has ended']
])('a membership that ends in %i days is said in time, with the way out', async (days, said) => {
  const parts = controlParts()
  const [first] = ROSTER.roster.members
  parts.clock.jumpWall((first?.notAfterMs ?? 0) - days * DAY_MS - parts.clock.wallMs())

  const view = statusSchema.parse((await get(parts, '/v1/status')).body)

  const line = view.health.find(({ code }) => code === 'MEMBERSHIP_ENDS')
  expect(line?.message).toBe(said)
  if (said !== undefined) expect(line?.fix).toContain('`agent admit` for each again')
})

test('a mesh of one witness says that a run depends on one machine', async () => {
  const one = [{ peerId: 'a', name: 'onyx', reachable: true }]
  const parts = controlParts({ health: () => ({ witnesses: one, w: 1, quorum: 1 }) })
  const view = statusSchema.parse((await get(parts, '/v1/status')).body)

  expect(view.health.map(({ code }) => code)).toEqual(['WITNESSES_FEW'])
})

test('jobs are listed with why, and filters narrow the list', async () => {
  const parts = controlParts()
  const all = jobsSchema.parse((await get(parts, '/v1/jobs')).body)
  expect(all.jobs.map((job) => job.shortId)).toEqual(['7K3QF2.0', '7K3QF2.1'])
  for (const job of all.jobs) expect(job.why).not.toBe('')

  const none = jobsSchema.parse((await get(parts, '/v1/jobs?state=failed')).body)
  expect(none.jobs).toEqual([])
  const some = jobsSchema.parse((await get(parts, '/v1/jobs?state=queued,failed')).body)
  expect(some.jobs).toHaveLength(2)
  const other = jobsSchema.parse((await get(parts, '/v1/jobs?repository=other')).body)
  expect(other.jobs).toEqual([])
})

test('a short id finds its job, one that names several or none is a problem', async () => {
  const parts = controlParts()

  expect((await get(parts, '/v1/jobs/7K3QF2.1')).body.id).toBe(`${RUN}.1`)
  const several = await get(parts, '/v1/jobs/7K3QF2')
  expect(several).toMatchObject({ status: 409, body: { code: 'JOB_AMBIGUOUS' } })
  expect(several.type).toContain('application/problem+json')
  expect(await get(parts, '/v1/jobs/ZZZZZZ.0')).toMatchObject({
    status: 404,
    body: { code: 'JOB_UNKNOWN' }
  })
})

test('a log comes from wherever it is kept, and an empty one is no error', async () => {
  const lines = [{ number: 1, atMs: 5, step: 1, stream: 'out', text: 'hi' }] as const
  const parts = controlParts({
    readLog: async ({ fromLine }) => ({
      from: 'holder',
      page: { kind: 'page', epoch: 2, lines: fromLine === 1 ? lines : [], next: 2, end: true }
    })
  })
  const log = logSchema.parse((await get(parts, '/v1/jobs/7K3QF2.0/log')).body)
  expect(log).toMatchObject({ from: 'holder', epoch: 2, next: 2, end: true })
  expect(log.lines.map((line) => line.text)).toEqual(['hi'])

  const empty = logSchema.parse((await get(controlParts(), '/v1/jobs/7K3QF2.0/log')).body)
  expect(empty).toMatchObject({ from: 'none', lines: [], end: false })
})

test.each([
  ['/v1/jobs?limit=0', 400, 'REQUEST_INVALID'],
  ['/v1/jobs?limit=100000', 400, 'REQUEST_INVALID'],
  ['/v1/jobs?state=asleep', 400, 'REQUEST_INVALID'],
  ['/v1/jobs?nonsense=1', 400, 'REQUEST_INVALID'],
  ['/v1/jobs/7K3QF2.0/log?from=-1', 400, 'REQUEST_INVALID'],
  ['/v1/nothing', 404, 'ROUTE_UNKNOWN']
])('%s is refused as %i %s', async (url, status, code) => {
  const reply = await get(controlParts(), url)

  expect(reply).toMatchObject({ status, body: { type: `urn:runner-mesh:error:${code}`, code } })
  expect(problemSchema.parse(reply.body)).toEqual(reply.body)
})

test('the owner is told what failed on this host, and a bug by its cause', async () => {
  const facts = { job: 'j', cause: 'EIO /var/lib/x' }
  const readLog = () => Promise.reject(new MeshError('LOG_UNAVAILABLE', facts))
  const failed = await get(controlParts({ readLog }), '/v1/jobs/7K3QF2.0/log')
  expect(failed).toMatchObject({ status: 503, body: { code: 'LOG_UNAVAILABLE', facts } })
  expect(failed.body.detail).toContain('EIO /var/lib/x')

  const broken = () => {
    throw new TypeError('x is undefined')
  }
  const bug = await get(controlParts({ links: broken }), '/v1/status')
  expect(bug).toMatchObject({ status: 500, body: { code: 'BUG' } })
  expect(bug.body.detail).toContain('x is undefined')
})

test('an admission answers with the roster it is in; a bad one is refused', async () => {
  const app = controlApp(controlParts(), silentLog())
  const good = {
    id: 'a/b',
    name: 'slate',
    roles: ['agent'],
    addresses: ['/ip4/10.0.0.1/tcp/1'],
    witness: true,
    zone: 'slate'
  }
  const post = (payload: object) => app.inject({ method: 'POST', url: '/v1/members', payload })

  expect((await post(good)).json()).toMatchObject({ rosterVersion: 5, pushed: true })
  expect((await post({ ...good, roles: [] })).statusCode).toBe(400)
  expect((await post({ ...good, roles: ['king'] })).statusCode).toBe(400)
  expect((await post({ ...good, extra: 1 })).statusCode).toBe(400)
  const large = await post({ ...good, zone: 'x'.repeat(65_536) })
  expect(large.json()).toMatchObject({ code: 'BODY_TOO_LARGE', facts: { max: 65_536 } })
})

test('a job tells host by host why it waits', async () => {
  const why = whySchema.parse((await get(controlParts(), '/v1/jobs/7K3QF2.1/why')).body)
  expect(why).toMatchObject({ waits: true, resolves: true, fix: null })
  expect(why.hosts.map(({ name, takes }) => [name, takes])).toEqual([
    ['onyx', true],
    ['basalt', false]
  ])
  const rows = why.hosts[1]?.requirements.filter(({ met }) => !met)
  expect(rows?.map(({ requirement, resolves }) => [requirement, resolves])).toEqual([
    ['kept room', true]
  ])
})
