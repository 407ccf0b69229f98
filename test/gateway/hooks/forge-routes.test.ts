import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Repositories } from '../../../gateway/repositories.ts'
import { DELIVERY_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { runIdOfOrigin } from '../../../protocol/wire/run-id.ts'
import { eventually } from '../../support/eventually.ts'
import { type ForgePostParts, forgePost, type HmacForge } from '../../support/forge-delivery.ts'
import { repositoryAt, repositoryOf } from '../../support/gateway-rig.ts'
import { HttpRig } from '../../support/http-rig.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const FIXTURES = resolve(import.meta.dirname, '../../fixtures/hooks')
const GITEA_URL = 'https://gitea.example/team/kernel.git'
const FORGEJO_URL = 'https://forgejo.example/team/kernel.git'

let rig: HttpRig

beforeAll(async () => {
  const branches = ['main', 'release/**']
  rig = await HttpRig.make({
    repositories: new Repositories([
      repositoryOf('gitea', 'kernel', { url: GITEA_URL, branches }),
      // Known to agents by another address than to the forge itself: found by its full name.
      repositoryOf('github', 'team/site', { url: 'ssh://git@mirror.example/site.git' }),
      repositoryOf('forgejo', 'team/kernel', { url: FORGEJO_URL, branches }),
      repositoryAt('team/bare')
    ])
  })
})

afterAll(() => rig.stop())

/** The delivery in test/fixtures/hooks. */
function recorded(file: string): string {
  return readFileSync(join(FIXTURES, file), 'utf8')
}

let pushes = 0

/** A push like that of the file, of a commit that no other test pushes. */
function freshPush(file: string, change: Record<string, unknown> = {}): string {
  pushes += 1
  const after = pushes.toString(16).padStart(40, 'e')
  return JSON.stringify({ ...JSON.parse(recorded(file)), after, ...change })
}

async function send(forge: HmacForge, payload: string, parts: ForgePostParts = {}) {
  const reply = await rig.app.inject(forgePost(forge, payload, parts))
  return { status: reply.statusCode, ...reply.json() }
}

async function storedCount(): Promise<number> {
  return (await rig.store.inbox.list(100, undefined)).deliveries.length
}

describe('a push starts a run', () => {
  const COMMIT = '9f8e7d6c5b4a39281706f5e4d3c2b1a04b1d0c5a'
  const LONG = `${COMMIT}4b1d0c5a9e8f7d6c5b4a3928`

  test.each([
    ['gitea', 'gitea-push.json', 'main', COMMIT],
    ['gitea', 'gitea-push-new-branch.json', 'release/2026.1', COMMIT],
    ['forgejo', 'forgejo-push.json', 'main', COMMIT],
    ['forgejo', 'forgejo-push-sha256.json', 'main', LONG]
  ] as const)('of %s: %s', async (forge, file, branch, commit) => {
    const answer = await send(forge, recorded(file), { id: file.replace('.json', '') })

    expect(answer).toMatchObject({ status: 202, verdict: 'accepted' })
    const expected = runIdOfOrigin({
      forgeHost: `${forge}.example`,
      repositoryId: '42',
      event: 'push',
      ref: `refs/heads/${branch}`,
      commit,
      number: '',
      action: '',
      rerunNonce: ''
    })
    expect(answer.run).toBe(expected)
    const sealed = await eventually('it is recorded', () => rig.registers.chosen.get(answer.run))
    expect(sealed.announcement.manifest).toMatchObject({
      repository: forge === 'gitea' ? 'kernel' : 'team/kernel',
      url: forge === 'gitea' ? GITEA_URL : FORGEJO_URL,
      pusher: 'lena',
      // Read from the commit: what the body says of it nobody needs to believe.
      title: 'a commit'
    })
  })

  test('found by its full name where the forge knows itself by another address', async () => {
    const repository = {
      id: 7,
      full_name: 'Team/Site',
      clone_url: 'http://localhost/team/site.git'
    }
    const body = freshPush('gitea-push.json', { repository, pusher: { name: 'lena' } })

    expect(await send('github', body)).toMatchObject({ status: 202, verdict: 'accepted' })
  })

  test('of a pusher with a name that cannot be shown, without the name', async () => {
    const body = freshPush('gitea-push.json', { pusher: { login: 'a\u001b[31m', username: 7 } })

    const { run } = await send('gitea', body)

    const sealed = await eventually('it is recorded', () => rig.registers.chosen.get(run))
    expect(sealed.announcement.manifest.pusher).toBe('')
  })
})

describe('an authentic delivery that starts no run is answered 202 with the reason', () => {
  test.each([
    ['gitea', 'push', 'gitea-push-deleted-branch.json', 'branch main was deleted'],
    [
      'gitea',
      'create',
      'gitea-create-branch.json',
      'event create starts no run: the push of the new branch or tag does'
    ],
    ['gitea', 'delete', 'gitea-delete-branch.json', 'event delete starts no run'],
    ['gitea', 'issues', 'gitea-issues.json', 'event issues starts no run'],
    ['forgejo', 'delete', 'forgejo-delete-branch.json', 'event delete starts no run'],
    ['forgejo', 'release', 'forgejo-release.json', 'event release starts no run']
  ] as const)('%s %s: %s', async (forge, event, file, reason) => {
    const before = await storedCount()

    const answer = await send(forge, recorded(file), { event, id: 'some-id' })

    expect(answer).toEqual({
      status: 202,
      verdict: 'ignored',
      delivery: 'some-id',
      run: null,
      reason
    })
    expect(await storedCount()).toBe(before)
  })

  test('a branch that is not selected', async () => {
    const answer = await send('gitea', freshPush('gitea-push.json', { ref: 'refs/heads/a/b' }))

    expect(answer).toMatchObject({ status: 202, verdict: 'ignored' })
    expect(answer.reason).toBe('branch a/b is not selected in gateway.yaml')
  })

  test('an event with a name that is none is not repeated', async () => {
    const answer = await send('gitea', recorded('gitea-issues.json'), { event: '<b>\u00ff' })

    expect(answer).toMatchObject({ status: 202, verdict: 'ignored' })
    expect(answer.reason).toBe('event unknown starts no run')
  })
})

describe('a push that was taken before is the same run', () => {
  test.each(['gitea', 'forgejo', 'github'] as const)(
    '%s: sent again under its id',
    async (forge) => {
      const body = pushTo(forge)
      const first = await send(forge, body, { id: 'the-same' })

      const again = await send(forge, body, { id: 'the-same' })

      expect(again).toMatchObject({ status: 202, verdict: 'duplicate', run: first.run })
    }
  )

  test.each(['gitea', 'forgejo', 'github'] as const)(
    '%s: replayed under a new id',
    async (forge) => {
      const body = pushTo(forge)
      const first = await send(forge, body, { id: `${forge}-first` })
      const before = await storedCount()

      const replay = await send(forge, body)

      expect(replay).toMatchObject({ verdict: 'duplicate', run: first.run })
      expect(replay.reason).toBe(`first received as delivery ${forge}-first`)
      expect(await storedCount()).toBe(before)
    }
  )

  function pushTo(forge: HmacForge): string {
    if (forge !== 'github') return freshPush(`${forge}-push.json`)
    return freshPush('gitea-push.json', { repository: { id: 7, full_name: 'team/site' } })
  }

  test('and one mirrored on two forges under one number is two runs', async () => {
    const after = 'd'.repeat(40)

    const gitea = await send('gitea', freshPush('gitea-push.json', { after }), { id: 'mirrored' })
    const other = await send('forgejo', freshPush('forgejo-push.json', { after }), {
      id: 'mirrored'
    })

    expect([gitea.verdict, other.verdict]).toEqual(['accepted', 'accepted'])
    expect(gitea.run).not.toBe(other.run)
  })
})

describe('a repository that is not declared for the path is answered 202, whoever signed', () => {
  test.each([
    ['unknown everywhere', 'gitea', 'team/unknown'],
    ['declared for another forge', 'gitea', 'team/site'],
    ['declared for bare Git', 'github', 'team/bare']
  ] as const)('%s', async (_name, forge, name) => {
    const body = freshPush('gitea-push.json', { repository: { id: 1, full_name: name } })
    const before = await storedCount()

    const right = await send(forge, body)
    const wrong = await send(forge, body, { secret: 'not the secret of anything' })

    // The same words for all of them: a stranger learns nothing of what else is declared.
    const reason = `repository ${name} is not declared in gateway.yaml with forge: ${forge}`
    expect(right).toEqual({ status: 202, verdict: 'ignored', delivery: null, run: null, reason })
    expect(wrong).toEqual(right)
    expect(await storedCount()).toBe(before)
  })

  test('a body cannot lead a declared name to a URL of its own', async () => {
    const { repository } = JSON.parse(recorded('gitea-push.json'))
    const evil = { ...repository, clone_url: 'https://evil.example/team/kernel.git', ssh_url: '' }

    const body = freshPush('gitea-push.json', { repository: { ...evil, full_name: 'kernel' } })
    const { run } = await send('gitea', body)

    const sealed = await eventually('it is recorded', () => rig.registers.chosen.get(run))
    expect(sealed.announcement.manifest.url).toBe(GITEA_URL)
  })
})

describe('a body that is refused', () => {
  test.each([
    ['no JSON', 'not json', 400, 'BODY_INVALID'],
    ['nothing', '', 400, 'BODY_INVALID'],
    ['a push that names no repository', '{"ref":"refs/heads/main"}', 400, 'BODY_INVALID'],
    ['one byte too many', ' '.repeat(DELIVERY_BYTES_MAX + 1), 413, 'BODY_TOO_LARGE']
  ])('for it is %s', async (_name, payload, status, code) => {
    expect(await send('gitea', payload)).toMatchObject({ status, code })
  })

  test.each([
    ['ref', { ref: 'main' }],
    ['after', { after: 'abc' }],
    ['before', { before: null }]
  ])('for its %s, once its signature is right, and not before', async (field, change) => {
    const body = freshPush('gitea-push.json', change)

    const answer = await send('gitea', body)
    const stranger = await send('gitea', body, { secret: 'not the secret of anything' })

    expect(answer).toMatchObject({ status: 400, code: 'BODY_INVALID' })
    expect(answer.detail).toContain(`refused: ${field}: `)
    expect(stranger).toMatchObject({ status: 401, code: 'SIGNATURE_MISMATCH' })
  })
})

describe('a hook that is set up wrongly is told what to change', () => {
  test('at the path of another forge: whoever signed it', async () => {
    const post = forgePost('forgejo', freshPush('forgejo-push.json'))

    const reply = await rig.app.inject({ ...post, url: '/hooks/github' })

    expect(reply.statusCode).toBe(400)
    expect(reply.json()).toMatchObject({
      code: 'HOOK_PATH_MISMATCH',
      detail:
        "/hooks/github does not take this delivery: it is Forgejo's: " +
        "set the hook's URL to /hooks/forgejo"
    })
  })

  test.each(['gitea', 'forgejo', 'github'] as const)('%s: as a form', async (forge) => {
    const payload = `payload=${encodeURIComponent(freshPush('gitea-push.json'))}`
    const post = forgePost(forge, payload)
    const headers = { ...post.headers, 'content-type': 'application/x-www-form-urlencoded' }

    const reply = await rig.app.inject({ ...post, headers })

    expect(reply.statusCode).toBe(415)
    expect(reply.json()).toMatchObject({
      code: 'MEDIA_TYPE_UNSUPPORTED',
      detail: expect.stringContaining('send application/json')
    })
  })
})
