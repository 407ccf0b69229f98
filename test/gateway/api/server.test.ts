import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openApiText } from '../../../gateway/api/export-openapi.ts'
import type { ApiParts } from '../../../gateway/api/parts.ts'
import { advertisement, ROSTER } from '../../support/control-parts.ts'
import { HttpRig } from '../../support/http-rig.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const WITNESSES = ROSTER.roster.members.map(({ peerId, name }) => ({ peerId, name }))

let rig: HttpRig
let token: { authorization: string }

async function open(api: Partial<ApiParts> = {}): Promise<void> {
  rig = await HttpRig.make({ api: { roster: () => ROSTER, ...api } })
  token = await rig.bearer()
}

beforeEach(() => open())
afterEach(() => rig.stop())

async function reopen(api: Partial<ApiParts>): Promise<void> {
  await rig.stop()
  await open(api)
}

function get(url: string) {
  return rig.app.inject({ method: 'GET', url, headers: token })
}

async function json(url: string) {
  return (await get(url)).json()
}

describe('GET /api/v1/agents', () => {
  test('shows every agent of the roster, heard or not, and no gateway', async () => {
    rig.board.foldAdvertisement(advertisement('onyx', { jobs: ['x.0'] }), rig.bootMs())

    const { agents } = await json('/api/v1/agents')

    expect(agents.map(({ name, state }: { name: string; state: string }) => [name, state])).toEqual(
      [
        ['basalt', 'offline'],
        ['onyx', 'idle']
      ]
    )
    expect(agents[1]).toMatchObject({ jobsRunning: 1, capacity: { cpu: 4 }, version: '0.1.0' })
  })
})

describe('GET /healthz', () => {
  const health = (away: number) => ({
    witnesses: WITNESSES.map((each, index) => ({ ...each, reachable: index >= away })),
    w: 3,
    quorum: 2,
    reachable: 3 - away,
    hasQuorum: away <= 1
  })

  test.each([
    [0, 200, 'ok'],
    [1, 200, 'ok'],
    [2, 503, 'no_quorum']
  ])('with %i of 3 witnesses away answers %i, %s', async (away, status, word) => {
    await reopen({ health: () => health(away) })

    const reply = await rig.app.inject({ method: 'GET', url: '/healthz' })

    expect(reply.statusCode).toBe(status)
    expect(reply.json()).toMatchObject({
      status: word,
      witnesses: { total: 3, perRun: 3, quorum: 2, reachable: 3 - away },
      problems: away === 0 ? [] : [expect.stringMatching(/: start basalt/)]
    })
  })

  test('names who signed two things, and tells a stranger no path, register or run', async () => {
    const subject = 'two values of RUN.0 under round 7 of witness epoch 1'
    const file = '/state/proofs/proposals-12D.json'
    const one = {
      kind: 'proposals',
      peer: '12D',
      name: 'chalk',
      subject,
      seenAtMs: 0,
      file
    } as const
    await reopen({ health: () => health(0), equivocations: () => [one] })

    const [problem, ...more] = (await rig.app.inject({ method: 'GET', url: '/healthz' })).json()
      .problems

    expect(more).toEqual([])
    expect(problem).toMatch(/^chalk signed two proposals where one is allowed: .*--state DIR/)
    expect(problem).not.toMatch(/state\/proofs|RUN|round/)
  })

  test('says so before the first roster and while it stops', async () => {
    await reopen({ roster: () => undefined })
    expect(await json('/healthz')).toMatchObject({ status: 'no_roster' })

    await reopen({ health: () => health(0), stopping: () => true })
    expect((await get('/healthz')).statusCode).toBe(503)
  })
})

describe('what is no answer', () => {
  test('an unknown route is a problem too, without its query', async () => {
    const reply = await get('/api/v1/nothing?token=secret')

    expect(reply.headers['content-type']).toBe('application/problem+json')
    expect(reply.json()).toMatchObject({
      type: 'urn:runner-mesh:error:ROUTE_UNKNOWN',
      title: 'Not Found',
      status: 404,
      facts: { method: 'GET', path: '/api/v1/nothing' }
    })
  })

  test('a path that is no path is refused, not looked up', async () => {
    expect((await get('/api/v1/jobs/%ff%fe')).json()).toMatchObject({ status: 400 })
  })

  test('our own mistake is a 500 that says nothing of the inside', async () => {
    await reopen({
      links: () => {
        throw new TypeError("Cannot read properties of undefined (reading '/etc/passwd')")
      }
    })

    const reply = await get('/api/v1/agents')

    expect(reply.statusCode).toBe(500)
    expect(reply.json()).toMatchObject({ code: 'BUG', facts: {} })
    expect(reply.body).not.toMatch(/Cannot read|passwd|\.ts/)
  })

  test('answers cannot be framed, sniffed or run by a browser', async () => {
    const { headers } = await get('/api/v1/jobs')

    expect(headers['content-security-policy']).toBe("default-src 'none';frame-ancestors 'none'")
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['strict-transport-security']).toBeUndefined()
  })
})

test('the schema of pipeline files is served without a token, and is that of the documents', async () => {
  const file = resolve(import.meta.dirname, '../../../docs/pipeline.schema.json')

  const { statusCode, headers } = await get('/schema/pipeline.json')

  expect(statusCode).toBe(200)
  expect(headers['content-type']).toContain('application/schema+json')
  expect(await json('/schema/pipeline.json')).toEqual(JSON.parse(await readFile(file, 'utf8')))
})

describe('the API document', () => {
  test('is served, and docs/openapi.json is the same', async () => {
    const file = resolve(import.meta.dirname, '../../../docs/openapi.json')

    const committed = JSON.parse(await readFile(file, 'utf8'))

    expect(JSON.parse(await openApiText())).toEqual(committed)
    const served = await json('/api/openapi.json')
    expect({ ...served, info: committed.info }).toEqual(committed)
    expect(Object.keys(committed.paths)).toContain('/hooks/git')
  })

  test.each([
    ['git', ['webhook-id', 'webhook-timestamp', 'webhook-signature']],
    ['gitea', ['x-gitea-event', 'x-gitea-delivery', 'x-gitea-signature']],
    ['forgejo', ['x-forgejo-event', 'x-forgejo-delivery', 'x-forgejo-signature']],
    ['github', ['x-github-event', 'x-github-delivery', 'x-hub-signature-256']],
    ['gitlab', ['x-gitlab-event']]
  ])(
    'says which headers sign a delivery of %s, and all that may be answered',
    async (forge, signing) => {
      const { paths } = await json('/api/openapi.json')
      const { parameters, responses } = paths[`/hooks/${forge}`].post

      const required = parameters.filter((each: { required?: boolean }) => each.required === true)
      expect(required).toMatchObject(
        signing.map((name) => ({
          in: 'header',
          name,
          required: true,
          description: expect.any(String)
        }))
      )
      const statuses = ['202', '400', '401', '413', '415', '429', '500', '503']
      expect(Object.keys(responses)).toEqual(statuses)
    }
  )

  test('says of which attempt a log is', async () => {
    const { paths } = await json('/api/openapi.json')

    const { headers } = paths['/api/v1/jobs/{id}/log'].get.responses['200']

    expect(headers['runner-mesh-epoch']).toMatchObject({
      schema: { type: 'integer' },
      description: expect.stringContaining('Epoch')
    })
  })

  test('says that each route but the document itself can fail by our own mistake', async () => {
    const { paths } = await json('/api/openapi.json')
    const answers = Object.values<Record<string, { responses: object }>>(paths)
      .flatMap((path) => Object.values(path))
      .map(({ responses }) => Object.keys(responses))

    expect(answers.every((statuses) => statuses.includes('500'))).toBe(true)
  })
})
