import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Repositories } from '../../../gateway/repositories.ts'
import { MESH_ERRORS } from '../../../protocol/core/errors.ts'
import { forgePost } from '../../support/forge-delivery.ts'
import { repositoryAt, repositoryOf } from '../../support/gateway-rig.ts'
import { GITLAB_TOKEN, gitlabPost } from '../../support/gitlab-delivery.ts'
import { HttpRig, type Post, pushBody, signedPost } from '../../support/http-rig.ts'
import { mergeRequestBody, pullRequestBody } from '../../support/pull-request-delivery.ts'
import { VECTOR } from '../../support/standard-webhook.ts'

/** Bodies a forge; `FUZZ_RUNS=10000` for more than an everyday look. */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 2_000)
const LIMIT_MS = 60_000 + RUNS * 60

const CODES: ReadonlySet<string> = new Set(Object.keys(MESH_ERRORS))

let rig: HttpRig
let token: { authorization: string }

beforeAll(async () => {
  const forges = (['gitea', 'forgejo', 'github'] as const).map((forge) =>
    repositoryOf(forge, `${forge}/kernel`, { url: `https://${forge}.example/team/kernel` })
  )
  const gitlab = ['token', 'signed'].map((name, index) => {
    const secret = name === 'token' ? GITLAB_TOKEN : VECTOR.secret
    return repositoryOf('gitlab', name, { url: `https://gitlab${index}.example/${name}`, secret })
  })
  rig = await HttpRig.make({
    repositories: new Repositories([repositoryAt('team/kernel'), ...forges, ...gitlab])
  })
  token = await rig.bearer()
})

afterAll(() => rig.stop())

const printable = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  maxLength: 80
})

/** A well-formed push with some of its fields replaced by anything. */
const nearPush = fc
  .record(
    {
      repository: fc.oneof(fc.constant('team/kernel'), fc.jsonValue()),
      ref: fc.oneof(
        fc.constant('refs/heads/main'),
        fc.string().map((text) => `refs/heads/${text}`),
        fc.jsonValue()
      ),
      before: fc.oneof(fc.constant('0'.repeat(40)), fc.jsonValue()),
      after: fc.oneof(fc.stringMatching(/^[0-9a-f]{40}$/), fc.jsonValue()),
      pusher: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
      time: fc.oneof(fc.constant('2026-01-01T00:00:00Z'), fc.jsonValue())
    },
    { requiredKeys: [] }
  )
  .map((change) => JSON.stringify({ ...JSON.parse(pushBody()), ...change }))

/** A well-formed pull or merge request, one of whose fields, at any depth, is anything. */
function nearRequest(text: string): fc.Arbitrary<string> {
  const names = Object.keys(fieldsOf(JSON.parse(text)))
  return fc
    .tuple(fc.constantFrom(...names), fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' })))
    .map(([name, value]) => {
      const changed: unknown = JSON.parse(text)
      fieldsOf(changed)[name]?.(value)
      return JSON.stringify(changed)
    })
}

type Setter = (value: unknown) => void

/** By path, how to set each field of a document. */
function fieldsOf(document: unknown, path = ''): Record<string, Setter> {
  if (typeof document !== 'object' || document === null) return {}
  const holder = document as Record<string, unknown>
  const fields: Record<string, Setter> = {}
  for (const [name, value] of Object.entries(holder)) {
    const here = `${path}/${name}`
    fields[here] = (next) => {
      holder[name] = next
    }
    Object.assign(fields, fieldsOf(value, here))
  }
  return fields
}

const bodies = fc.oneof(
  nearPush,
  fc.json(),
  fc.string({ unit: 'binary' }),
  fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes))
)

const headerChanges = fc.dictionary(
  fc.constantFrom(
    'content-type',
    'content-encoding',
    'webhook-id',
    'webhook-timestamp',
    'webhook-signature',
    'authorization',
    'accept',
    'expect',
    'x-forwarded-for'
  ),
  fc.oneof(printable, fc.constant('application/json'), fc.constant(''))
)

function expectAnswer(reply: { statusCode: number; body: string; headers: object }): void {
  expect(reply.statusCode, reply.body).toBeLessThan(500)
  if (reply.statusCode < 400) return
  const refusal = JSON.parse(reply.body) as { readonly status: number; readonly code: string }
  expect(refusal.status).toBe(reply.statusCode)
  expect(CODES.has(refusal.code), reply.body).toBe(true)
  // A stack, as JSON writes its lines. What was sent comes back in facts: `(at` alone is no stack.
  expect(reply.body).not.toMatch(/node_modules|\\n\s*at /)
}

test(
  'no body and no header of a delivery makes the gateway fail',
  async () => {
    await fc.assert(
      fc.asyncProperty(bodies, headerChanges, fc.boolean(), async (payload, changes, signed) => {
        const post: Post = { ...signedPost(payload.toString()), payload }
        const headers = { ...post.headers, ...(signed ? {} : changes) }

        expectAnswer(await rig.app.inject({ ...post, headers }))
      }),
      { numRuns: RUNS }
    )
  },
  LIMIT_MS
)

test.each(['gitea', 'forgejo', 'github'] as const)(
  'no body and no header of a delivery of %s makes the gateway fail',
  async (forge) => {
    const nearForgePush = nearPush.chain((text) =>
      fc
        .record({
          id: fc.oneof(fc.nat(), fc.jsonValue()),
          full_name: fc.oneof(fc.constant(`${forge}/kernel`), fc.jsonValue())
        })
        .map((given) =>
          JSON.stringify({
            ...JSON.parse(text),
            repository: given
          })
        )
    )
    const names = ['event', 'delivery', 'signature'].map((name) => `x-${forge}-${name}`)
    const changes = fc.dictionary(
      fc.constantFrom(...names, 'x-hub-signature-256', 'content-type'),
      fc.oneof(printable, fc.constant(''))
    )
    const repository = { full_name: `${forge}/kernel` }
    const nearJob = fc
      .record({
        action: fc.oneof(fc.constant('queued'), fc.jsonValue()),
        workflow_job: fc.oneof(
          fc.record({ id: fc.oneof(fc.nat(), fc.jsonValue()) }),
          fc.jsonValue()
        )
      })
      .map((job) => JSON.stringify({ ...job, repository: { id: 7, ...repository } }))
    const sent = fc.oneof(
      fc.tuple(fc.oneof(nearForgePush, bodies), fc.constantFrom('push', 'create')),
      fc.tuple(nearRequest(pullRequestBody({ repository })), fc.constant('pull_request')),
      fc.tuple(nearJob, fc.constant('workflow_job'))
    )
    await fc.assert(
      fc.asyncProperty(sent, changes, async ([payload, event], changed) => {
        const post = forgePost(forge, payload.toString(), { event })
        const headers = { ...post.headers, ...changed }

        expectAnswer(await rig.app.inject({ ...post, payload, headers }))
      }),
      // Its answer repeats a media type that a careless look takes for a line of a stack.
      { numRuns: RUNS, examples: [[['{}', 'push'], { 'content-type': '(at' }]] }
    )
  },
  LIMIT_MS
)

test(
  'no body and no header of a delivery of GitLab makes the gateway fail',
  async () => {
    const nearGitlabPush = nearPush.chain((text) =>
      fc
        .record({
          id: fc.oneof(fc.nat(), fc.jsonValue()),
          path_with_namespace: fc.oneof(fc.constantFrom('token', 'signed'), fc.jsonValue())
        })
        .map((project) => JSON.stringify({ object_kind: 'push', ...JSON.parse(text), project }))
    )
    const names = ['x-gitlab-event', 'x-gitlab-token', 'idempotency-key', 'webhook-signature']
    const changes = fc.dictionary(
      fc.constantFrom(...names, 'webhook-id', 'webhook-timestamp', 'content-type'),
      fc.oneof(printable, fc.constant(''))
    )
    const project = { path_with_namespace: 'token' }
    const sent = fc.oneof(
      fc.tuple(fc.oneof(nearGitlabPush, bodies), fc.constantFrom('Push Hook', 'Tag Push Hook')),
      fc.tuple(nearRequest(mergeRequestBody({ project })), fc.constant('Merge Request Hook'))
    )
    await fc.assert(
      fc.asyncProperty(sent, changes, fc.boolean(), async ([body, event], changed, signed) => {
        const payload = body.toString()
        const post = gitlabPost(payload, { event, ...(signed ? { secret: VECTOR.secret } : {}) })
        const headers = { ...post.headers, ...changed }

        expectAnswer(await rig.app.inject({ ...post, headers }))
      }),
      { numRuns: RUNS }
    )
  },
  LIMIT_MS
)

test(
  'no path and no query of the API makes the gateway fail',
  async () => {
    const paths = fc.oneof(
      fc.webPath().map((path) => `/${path}`),
      fc
        .tuple(
          fc.constantFrom(
            '/api/v1/jobs',
            '/api/v1/runs',
            '/api/v1/deliveries',
            '/api/v1/jobs/7K3QF2.0/log',
            '/healthz'
          ),
          fc.webQueryParameters()
        )
        .map(([path, query]) => `${path}?${query}`),
      fc
        .tuple(
          fc.constantFrom('runs/', 'jobs/', 'deliveries/', 'agents/'),
          fc.string({ unit: 'grapheme', minLength: 1 }),
          fc.constantFrom('', '/log')
        )
        .map(([room, id, rest]) => `/api/v1/${room}${encodeURIComponent(id)}${rest}`),
      fc
        .tuple(
          fc.constantFrom('state', 'limit', 'cursor', 'since', 'holder', 'from', 'nonsense'),
          fc.string()
        )
        .map(([name, value]) => `/api/v1/jobs?${name}=${encodeURIComponent(value)}`)
    )
    await fc.assert(
      fc.asyncProperty(paths, async (url) => {
        const reply = await rig.app.inject({ method: 'GET', url, headers: token })

        // Without a roster the health document itself says 503.
        if (!url.startsWith('/healthz')) expectAnswer(reply)
      }),
      { numRuns: 1_000 }
    )
  },
  LIMIT_MS
)
