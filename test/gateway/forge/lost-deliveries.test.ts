import { describe, expect, test } from 'vitest'
import type { ForgeHook } from '../../../gateway/hooks/forge-hook.ts'
import { githubHook } from '../../../gateway/hooks/github.ts'
import { gitlabHook } from '../../../gateway/hooks/gitlab.ts'
import { FORGE_BODY_BYTES_MAX, RECONCILE_RESENT_MAX } from '../../../protocol/core/forge-limits.ts'
import { deliver, type FakeHook, projectOf, repositoryOf } from '../../support/fake-forge-hooks.ts'
import { forgeRig, noEnd } from '../../support/forge-rig.ts'
import { hookReceiver } from '../../support/hook-receiver.ts'

/* Over HTTP, against forges as documented: those that list what their hooks have sent. */

const KINDS = ['github', 'gitlab'] as const

type Kind = (typeof KINDS)[number]

const HOOKS: Readonly<Record<Kind, ForgeHook>> = { github: githubHook, gitlab: gitlabHook }

/** A repository with a hook of ours behind which nobody listens, and one push. */
async function rig(kind: Kind, listener = 'http://127.0.0.1:9') {
  const { api, forge, repository } = await forgeRig(kind)
  const after = await repository.commit({ 'a.txt': 'a' })
  const hook = forge.addHook(repository, `${listener}/hooks/${kind}`, 'a secret of ours')
  const push = () => forge.push(repository, { ref: 'refs/heads/main', after })
  const lost = async (sinceMs = 0) => (await api.failedDeliveries?.(sinceMs, noEnd())) ?? []
  return { api, forge, repository, hook, push, lost }
}

function newestOf({ deliveries }: FakeHook) {
  const [newest] = deliveries
  if (newest === undefined) throw new Error('no delivery')
  return newest
}

describe.each(KINDS)('the deliveries of %s', (kind) => {
  test('that nobody took are found and sent again, under the same id', async () => {
    const { api, hook, push, lost } = await rig(kind)
    await push()

    const [failed] = await lost()
    if (failed === undefined) throw new Error('none found')
    await api.redeliver?.(failed, noEnd())

    expect(hook.deliveries).toHaveLength(2)
    expect(new Set(hook.deliveries.map(({ guid }) => guid)).size).toBe(1)
    expect(hook.deliveries[0]?.isRedelivery).toBe(true)
  })

  test('that were refused are found, and once they are taken they are not', async () => {
    const { state, url } = await hookReceiver()
    const { api, push, lost } = await rig(kind, url)
    for (const status of [503, 401]) {
      state.status = status
      await push()
    }

    const failed = await lost()
    expect(failed).toHaveLength(2)
    state.status = 202
    for (const delivery of failed) await api.redeliver?.(delivery, noEnd())

    expect(await lost()).toEqual([])
  })

  test('that were asked for often enough, are old or are not ours are let be', async () => {
    const { forge, repository, hook, push, lost } = await rig(kind)
    forge.addHook(repository, 'http://127.0.0.1:9/other', 'a secret of theirs')
    await push()
    const future = Date.now() + 60_000

    expect(await lost(future)).toEqual([])
    expect(await lost()).toHaveLength(1)
    for (let tries = 0; tries < 3; tries += 1) await forge.redeliver(hook, newestOf(hook))
    expect(await lost()).toEqual([])
  })

  test('are asked for again exactly where the hook starts runs for their event', async () => {
    const { forge, repository, hook, lost } = await rig(kind)
    const names = {
      github: ['push', 'pull_request', 'create', 'delete', 'ping', 'issues', 'workflow_job'],
      gitlab: ['Push Hook', 'Tag Push Hook', 'Merge Request Hook', 'Issue Hook', 'Job Hook']
    }[kind]
    const starting: string[] = []
    for (const event of names) {
      const payload = JSON.stringify(bodyOf(event, forge.url, repository))
      const { id } = await deliver(forge.world, hook, { event, payload })
      if (meaningOf(kind, event, payload) === 'event') starting.push(String(id))
    }

    const found = (await lost()).map(({ delivery }) => delivery)

    expect(starting).toHaveLength(kind === 'github' ? 2 : 3)
    expect(new Set(found)).toEqual(new Set(starting))
  })
})

type Repository = Awaited<ReturnType<typeof rig>>['repository']

/** One that starts a run where its event does, and is at hand for every other event. */
function bodyOf(event: string, base: string, repository: Repository) {
  const commit = 'a'.repeat(40)
  const head = { ref: 'main', sha: commit, repo: repositoryOf(repository, base) }
  const project = projectOf(repository, base)
  return {
    ...{ object_kind: event.toLowerCase().split(' hook')[0]?.replace(' ', '_'), action: 'opened' },
    ...{ ref: 'refs/heads/main', before: '0'.repeat(40), after: commit, number: 1 },
    ...{ checkout_sha: commit, repository: repositoryOf(repository, base), project },
    pusher: { login: 'lena', username: 'lena', name: 'lena' },
    sender: { id: 1, login: 'lena' },
    workflow_job: { id: 7 },
    user: { id: 1, username: 'lena' },
    labels: [],
    object_attributes: {
      ...{ iid: 1, action: 'open', state: 'opened', title: 'a change' },
      ...{ source_project_id: project.id, target_project_id: project.id },
      ...{ source_branch: 'topic', target_branch: 'main', last_commit: { id: commit } }
    },
    pull_request: {
      ...{ number: 1, title: 'a change', state: 'open', user: { id: 1, login: 'lena' } },
      ...{ labels: [], head, base: head }
    }
  }
}

function meaningOf(kind: Kind, event: string, text: string): string {
  const headers = {
    'x-github-event': event,
    'x-gitlab-event': event,
    'x-gitlab-token': 'a token',
    'x-hub-signature-256': `sha256=${'0'.repeat(64)}`
  }
  const incoming = { headers, bytes: Buffer.from(text), text, receivedAtMs: 0 }
  return HOOKS[kind].read(incoming).meaning().kind
}

describe("GitLab's deliveries", () => {
  test('that are taken cost no look at what else was', async () => {
    const { state, url } = await hookReceiver()
    const { forge, push, lost } = await rig('gitlab', url)
    state.status = 202
    await push()

    expect(await lost()).toEqual([])
    const asked = forge.seen.map(({ path }) => path.split('/').at(-1))
    expect(asked).toEqual(['hooks', 'events', 'events'])
  })

  test('are asked for as far as its list says whether they were taken since', async () => {
    const { hook, push, lost } = await rig('gitlab')
    const [first] = await push()
    if (first === undefined) throw new Error('no delivery')
    const atMs = first.deliveredAtMs
    for (let at = 1; at <= 100; at += 1) {
      const deliveredAtMs = atMs + at * 1_000
      hook.deliveries.unshift({
        ...first,
        id: first.id + at,
        guid: `g${at}`,
        status: 202,
        deliveredAtMs
      })
    }
    expect(await lost()).toEqual([])

    const last = { ...first, id: first.id + 101, guid: 'last', deliveredAtMs: atMs + 101_000 }
    hook.deliveries.unshift(last)
    expect((await lost()).map(({ delivery }) => delivery)).toEqual([String(last.id)])
  })

  test('are the newest ones where there are many', async () => {
    const { hook, push, lost } = await rig('gitlab')
    for (let at = 0; at < RECONCILE_RESENT_MAX + 5; at += 1) await push()

    const newest = hook.deliveries.slice(0, RECONCILE_RESENT_MAX).map(({ id }) => String(id))
    expect((await lost()).map(({ delivery }) => delivery)).toEqual(newest)
  })

  test('are let be while GitLab has switched the hook off', async () => {
    const { hook, push, lost } = await rig('gitlab')
    await push()
    hook.alertStatus = 'temporarily_disabled'

    expect(await lost()).toEqual([])
  })

  test.each([
    ['longer than an answer may be', `"${'a'.repeat(FORGE_BODY_BYTES_MAX)}"`],
    ['without a date', '[{"id":1,"trigger":"push_hooks","request_headers":{}}]']
  ])('are let be where their list is %s', async (_, body) => {
    const { forge, push, lost } = await rig('gitlab')
    await push()
    forge.fault({ match: /\/events$/, kind: { status: 200, body } })

    expect(await lost()).toEqual([])
  })

  test('are refused to whoever is no Maintainer, and by a GitLab that has no list', async () => {
    const { api } = await forgeRig('gitlab', { scopes: ['read', 'write'] })
    const { forge, lost } = await rig('gitlab')
    const kind = { status: 404, body: '{"error":"404 Not Found"}' }
    forge.fault({ match: /\/events$/, kind })

    const isRefused = (status: number) => ({ code: 'FORGE_REFUSED', facts: { status } })
    await expect(api.failedDeliveries?.(0, noEnd())).rejects.toMatchObject(isRefused(403))
    await expect(lost()).rejects.toMatchObject(isRefused(404))
  })
})
