import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { gitlabHook } from '../../../gateway/hooks/gitlab.ts'
import { Repositories } from '../../../gateway/repositories.ts'
import { DELIVERY_AGE_S_MAX } from '../../../protocol/core/limits.ts'
import { runIdOfOrigin } from '../../../protocol/wire/run-id.ts'
import { eventually } from '../../support/eventually.ts'
import { repositoryOf } from '../../support/gateway-rig.ts'
import {
  GITLAB_TOKEN,
  type GitlabPostParts,
  type GitlabPushParts,
  gitlabPost,
  gitlabPushBody
} from '../../support/gitlab-delivery.ts'
import { HttpRig } from '../../support/http-rig.ts'
import { VECTOR, webhookSecret } from '../../support/standard-webhook.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const KERNEL = 'https://gitlab.example/team/boards/kernel.git'
const SIGNED = {
  id: 16,
  path_with_namespace: 'team/signed',
  git_http_url: 'https://gitlab.example/team/signed.git',
  git_ssh_url: 'git@gitlab.example:team/signed.git'
}

let rig: HttpRig

beforeAll(async () => {
  rig = await HttpRig.make({
    repositories: new Repositories([
      repositoryOf('gitlab', 'kernel', { url: KERNEL, secret: GITLAB_TOKEN }),
      repositoryOf('gitlab', 'team/signed', { url: SIGNED.git_http_url, secret: VECTOR.secret })
    ])
  })
})

afterAll(() => rig.stop())

let pushes = 0

/** Of a commit that no other test pushes. */
function fresh(parts: GitlabPushParts = {}): string {
  pushes += 1
  return gitlabPushBody({ after: pushes.toString(16).padStart(40, 'd'), ...parts })
}

async function send(payload: string, parts: GitlabPostParts = {}) {
  const reply = await rig.app.inject(gitlabPost(payload, parts))
  return { status: reply.statusCode, ...reply.json() }
}

async function stored(): Promise<number> {
  return (await rig.store.inbox.list(100, undefined)).deliveries.length
}

describe('a push to a project of GitLab', () => {
  test('with the secret token starts a run, named after the number of the project', async () => {
    const commit = 'c'.repeat(40)

    const answer = await send(fresh({ after: commit }))

    expect(answer).toMatchObject({ status: 202, verdict: 'accepted' })
    const place = { forgeHost: 'gitlab.example', repositoryId: '15', commit }
    const rest = {
      event: 'push' as const,
      ref: 'refs/heads/main',
      number: '',
      action: '',
      rerunNonce: ''
    }
    expect(answer.run).toBe(runIdOfOrigin({ ...place, ...rest }))
    const sealed = await eventually('it is recorded', () => rig.registers.chosen.get(answer.run))
    expect(sealed.announcement.manifest).toMatchObject({ url: KERNEL, pusher: 'lena' })
  })

  test('with a signature by the signing secret starts a run', async () => {
    const answer = await send(fresh({ project: SIGNED }), { secret: VECTOR.secret })

    expect(answer).toMatchObject({ status: 202, verdict: 'accepted' })
  })

  test('sent again from its page, which keeps the key, is the same delivery', async () => {
    const body = fresh()
    const first = await send(body, { id: 'the-same' })

    const again = await send(body, { id: 'the-same' })

    expect(again).toMatchObject({ verdict: 'duplicate', delivery: 'the-same', run: first.run })
  })

  test('replayed under another key is the same run, and nothing is stored', async () => {
    const body = fresh()
    const first = await send(body)
    const before = await stored()

    expect(await send(body)).toMatchObject({ verdict: 'duplicate', run: first.run })
    expect(await stored()).toBe(before)
  })

  test('of a server before 17.4, which knows no key, has the id of its event', async () => {
    const post = gitlabPost(fresh())
    const { 'idempotency-key': _key, ...headers } = post.headers

    const reply = await rig.app.inject({ ...post, headers })

    const delivery = post.headers['x-gitlab-event-uuid']
    expect(reply.json()).toMatchObject({ verdict: 'accepted', delivery })
  })

  test.each([
    [
      'Tag Push Hook',
      { kind: 'tag_push', ref: 'refs/tags/v1', after: '0'.repeat(40) },
      'tag v1 was deleted'
    ],
    ['Push Hook', { after: '0'.repeat(40) }, 'branch main was deleted']
  ] as const)('%s that starts no run is ignored with the reason', async (event, parts, reason) => {
    const answer = await send(fresh(parts), { event })

    expect(answer).toMatchObject({ status: 202, verdict: 'ignored', run: null, reason })
  })

  test.each([
    ['Job Hook', 'event job starts no run'],
    ['System Hook', 'event system starts no run'],
    ['<script>', 'event unknown starts no run']
  ])('%s is ignored with the reason', async (event, reason) => {
    expect(await send(fresh(), { event })).toMatchObject({
      status: 202,
      verdict: 'ignored',
      reason
    })
  })
})

describe('a delivery that nobody vouches for is refused, and nothing is stored', () => {
  const signedBody = (): string => fresh({ project: SIGNED })

  test.each<[string, () => string, GitlabPostParts, string]>([
    ['no token', fresh, { token: '' }, 'missing in X-Gitlab-Token and webhook-signature'],
    ['a wrong token', fresh, { token: 'some other token of that' }, 'wrong in X-Gitlab-Token'],
    ['a part of the token', fresh, { token: GITLAB_TOKEN.slice(1) }, 'wrong in X-Gitlab-Token'],
    ['a signature where a token is wanted', fresh, { secret: VECTOR.secret }, 'missing in X-G'],
    ['a token where a signature is wanted', signedBody, { token: VECTOR.secret }, 'missing'],
    ['a signature by another secret', signedBody, { secret: webhookSecret() }, 'wrong']
  ])('%s', async (_, body, parts, problem) => {
    const before = await stored()

    const answer = await send(body(), parts)

    expect(answer).toMatchObject({ status: 401, code: 'SIGNATURE_MISMATCH' })
    expect(answer.detail).toContain(problem)
    expect(await stored()).toBe(before)
  })

  test('a signed body that was changed', async () => {
    const post = gitlabPost(signedBody(), { secret: VECTOR.secret })
    const payload = post.payload.replace('"lena"', '"lena "')

    const reply = await rig.app.inject({ ...post, payload })

    expect(reply.statusCode).toBe(401)
  })

  test('a signature as old as a replay', async () => {
    const seconds = Math.floor(Date.now() / 1_000) - DELIVERY_AGE_S_MAX - 5

    const answer = await send(signedBody(), { secret: VECTOR.secret, seconds })

    expect(answer).toMatchObject({ status: 401, code: 'TIMESTAMP_OFF' })
  })

  test('a token with no id that could tell it from others', async () => {
    const post = gitlabPost(fresh())
    const { 'idempotency-key': _key, 'x-gitlab-event-uuid': _uuid, ...headers } = post.headers

    const reply = await rig.app.inject({ ...post, headers })

    expect(reply.json()).toMatchObject({ status: 400, code: 'REQUEST_INVALID' })
  })
})

describe('a secret file for GitLab', () => {
  test.each([
    ['a token that is short', 'fifteen bytes!!', 'it has 15 characters, 16 to 255 are needed'],
    ['a token that no header can hold', 'schlüssel-für-gitlab', 'printable ASCII'],
    ['two lines', `${GITLAB_TOKEN}\n${GITLAB_TOKEN}`, 'printable ASCII'],
    ['nothing', '', 'printable ASCII'],
    ['a signing secret that is cut off', 'whsec_AAECAwQ=', 'its key has 5 bytes']
  ])('with %s is refused', (_, text, problem) => {
    expect(gitlabHook.secretOf(text)).toMatchObject({
      kind: 'unusable',
      problem: expect.stringContaining(problem)
    })
  })

  test('as `gateway repo add` makes it is usable', () => {
    expect(gitlabHook.secretOf(gitlabHook.newSecret())).toMatchObject({ kind: 'usable' })
  })
})
