import { describe, expect, test } from 'vitest'
import type { CommitStatus } from '../../../gateway/forge/forge-api.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import type { FakeForgeKind } from '../../support/fake-forge-world.ts'
import { forgeRig, noEnd } from '../../support/forge-rig.ts'

/* The contract that every adapter passes, over HTTP, against a forge as documented. */

const KINDS: readonly FakeForgeKind[] = ['gitea', 'forgejo', 'github', 'gitlab']

const MISSING = 'f'.repeat(40)

function statusOf(commit: string, change: Partial<CommitStatus> = {}): CommitStatus {
  return {
    commit,
    ref: 'refs/heads/main',
    context: 'runner-mesh/build',
    state: 'queued',
    description: 'queued',
    targetUrl: 'https://mesh.example/jobs/7K3QF2.0',
    ...change
  }
}

async function codeOfRejection(promise: Promise<unknown>): Promise<string | undefined> {
  return await promise.then(
    () => undefined,
    (error: unknown) => codeOf(error) ?? String(error)
  )
}

describe.each(KINDS)('the API of %s', (kind) => {
  test('names the repository by its number', async () => {
    const { api, repository } = await forgeRig(kind)

    expect(await api.repositoryId(noEnd())).toBe(String(repository.id))
  })

  test('takes the states of a job in order, with their context and page', async () => {
    const { api, repository } = await forgeRig(kind)
    const commit = await repository.commit({ 'a.txt': 'a' })

    for (const state of ['queued', 'running', 'succeeded'] as const) {
      await api.postStatus(statusOf(commit, { state, description: state }), noEnd())
    }

    const given = repository.statuses.flatMap(({ history }) => history)
    const running = kind === 'gitlab' ? 'running' : 'pending'
    expect(given).toEqual(['pending', running, 'success'])
    expect(repository.statuses.at(-1)).toMatchObject({
      context: 'runner-mesh/build',
      description: 'succeeded',
      targetUrl: 'https://mesh.example/jobs/7K3QF2.0'
    })
  })

  test('has a word for every end', async () => {
    const { api, repository } = await forgeRig(kind)
    const commit = await repository.commit({ 'a.txt': 'a' })

    for (const state of ['failed', 'errored', 'cancelled', 'skipped'] as const) {
      await api.postStatus(statusOf(commit, { state, context: state }), noEnd())
    }

    const words = Object.fromEntries(repository.statuses.map((each) => [each.context, each.state]))
    const others = { failed: 'failure', errored: 'error', cancelled: 'error', skipped: 'success' }
    const gitlab = {
      failed: 'failed',
      errored: 'failed',
      cancelled: 'canceled',
      skipped: 'success'
    }
    expect(words).toEqual(kind === 'gitlab' ? gitlab : others)
  })

  test('takes a state that it has already as done', async () => {
    const { api, repository } = await forgeRig(kind)
    const commit = await repository.commit({ 'a.txt': 'a' })
    const status = statusOf(commit, { state: 'running' })

    const answers = [
      await api.postStatus(status, noEnd()),
      await api.postStatus(status, noEnd()),
      await api.postStatus({ ...status, state: 'queued' }, noEnd())
    ]

    const repeated = kind === 'gitlab' ? 'same' : 'posted'
    expect(answers).toEqual(['posted', repeated, repeated])
  })

  test('refuses a status of a commit that it does not have', async () => {
    const { api } = await forgeRig(kind)

    const refused = await api
      .postStatus(statusOf(MISSING), noEnd())
      .catch((error: unknown) => error)

    expect(codeOf(refused)).toBe('FORGE_REFUSED')
    expect(refused).toMatchObject({ facts: { status: kind === 'github' ? 422 : 404 } })
  })

  test('says which commits its branches and tags are at, over several pages', async () => {
    const { api, repository } = await forgeRig(kind)
    const commit = await repository.commit({ 'a.txt': 'a' })
    const topics = Array.from({ length: 120 }, (_, index) => `refs/heads/topic/${index}`)
    await repository.git(['fetch', '--quiet', '.', ...topics.map((ref) => `${commit}:${ref}`)])
    await repository.tag('v1', commit, 'plain')
    await repository.tag('v2', commit, 'annotated')

    const heads = await api.heads(noEnd())

    expect(heads.size).toBe(123)
    expect(heads.get('refs/heads/topic/119')).toBe(commit)
    expect([heads.get('refs/tags/v1'), heads.get('refs/tags/v2')]).toEqual([commit, commit])
  })

  test('tells a pull request of a stranger from one of the repository', async () => {
    const { api, forge, repository } = await forgeRig(kind)
    const own = await repository.commit({ 'a.txt': 'own' }, 'topic')
    repository.collaborators.set('lena', 'write')
    const fork = await forge.repository('omar/kernel')
    const foreign = await fork.commit({ 'a.txt': 'foreign' }, 'fix')
    const inside = { author: 'lena', headBranch: 'topic', headCommit: own, labels: ['ci'] }
    await forge.openPull(repository, inside)
    await forge.openPull(repository, {
      author: 'omar',
      source: fork,
      headBranch: 'fix',
      headCommit: foreign
    })

    const [first, second] = [await api.pullRequest(1, noEnd()), await api.pullRequest(2, noEnd())]

    const common = { isOpen: true, baseBranch: 'main' }
    expect(first).toMatchObject({
      ...common,
      number: 1,
      isFork: false,
      isKnownAuthor: true,
      author: 'lena',
      headBranch: 'topic',
      headCommit: own,
      labels: ['ci']
    })
    expect(second).toMatchObject({ ...common, isFork: true, isKnownAuthor: false, author: 'omar' })
    const open = await api.openPullRequests(noEnd())
    expect([...open]).toEqual(
      expect.arrayContaining([
        ['1', own],
        ['2', foreign]
      ])
    )
  })

  test('counts a pull request whose repository is gone as one of a fork', async () => {
    const { api, forge, repository } = await forgeRig(kind)
    const fork = await forge.repository('omar/kernel')
    const headCommit = await fork.commit({ 'a.txt': 'foreign' }, 'fix')
    const parts = { author: 'omar', source: fork, headBranch: 'fix', headCommit }
    const pull = await forge.openPull(repository, parts)
    pull.source = undefined
    pull.state = 'closed'

    const facts = await api.pullRequest(1, noEnd())

    expect(facts).toMatchObject({ isFork: true, headBranch: '', isOpen: false, headCommit })
  })

  test('shows a private repository to whoever has a token for it, and to nobody else', async () => {
    const { api } = await forgeRig(kind, { isPrivate: true })
    const stranger = await forgeRig(kind, { isPrivate: true, isStranger: true })

    expect(await codeOfRejection(api.repositoryId(noEnd()))).toBeUndefined()
    expect(await codeOfRejection(stranger.api.repositoryId(noEnd()))).toBe('FORGE_REFUSED')
  })

  test('refuses a token that is not good, and one that is good for reading only', async () => {
    const rig = await forgeRig(kind, { scopes: ['read'] })
    const commit = await rig.repository.commit({ 'a.txt': 'a' })

    const reading = await codeOfRejection(rig.api.postStatus(statusOf(commit), noEnd()))
    rig.forge.world.tokens.clear()
    const unknown = await rig.api.repositoryId(noEnd()).catch((error: unknown) => error)

    expect(reading).toBe('FORGE_REFUSED')
    expect(unknown).toMatchObject({ code: 'FORGE_REFUSED', facts: { status: 401 } })
    expect(String(unknown)).not.toContain(rig.token)
  })
})

test.each(['gitea', 'forgejo'] as const)(
  "what was pushed to refs/for/main of %s is a stranger's, although no fork is there",
  async (kind) => {
    const { api, forge, repository } = await forgeRig(kind)
    const headCommit = await repository.commit({ 'a.txt': 'a' }, 'topic')
    const parts = { author: 'eve', headBranch: 'topic', headCommit, isPushedFor: true }
    await forge.openPull(repository, parts)

    const facts = await api.pullRequest(1, noEnd())

    expect(facts).toMatchObject({ isFork: true, headBranch: '', isKnownAuthor: false, headCommit })
  }
)

describe('who is known to a forge', () => {
  test.each(['gitea', 'forgejo', 'github'] as const)(
    '%s knows an author whose pull request it has merged',
    async (kind) => {
      const { api, forge, repository } = await forgeRig(kind)
      const headCommit = await repository.commit({ 'a.txt': 'a' }, 'topic')
      const parts = { author: 'omar', headBranch: 'topic', headCommit }
      const merged = await forge.openPull(repository, parts)
      merged.state = 'merged'
      await forge.openPull(repository, parts)
      await forge.openPull(repository, { ...parts, author: 'eve' })

      expect((await api.pullRequest(2, noEnd())).isKnownAuthor).toBe(true)
      expect((await api.pullRequest(3, noEnd())).isKnownAuthor).toBe(false)
    }
  )

  test.each(['gitea', 'forgejo'] as const)(
    '%s tells a collaborator also to a token that is not an admin',
    async (kind) => {
      const { api, forge, repository } = await forgeRig(kind, { scopes: ['read'] })
      const headCommit = await repository.commit({ 'a.txt': 'a' }, 'topic')
      repository.collaborators.set('lena', 'read')
      await forge.openPull(repository, { author: 'lena', headBranch: 'topic', headCommit })

      expect((await api.pullRequest(1, noEnd())).isKnownAuthor).toBe(true)
    }
  )

  test('GitLab knows members, and nobody for a merge request of theirs', async () => {
    const { api, forge, repository } = await forgeRig('gitlab', { path: 'team/boards/kernel' })
    const headCommit = await repository.commit({ 'a.txt': 'a' }, 'topic')
    const parts = { author: 'omar', headBranch: 'topic', headCommit }
    const merged = await forge.openPull(repository, parts)
    merged.state = 'merged'
    await forge.openPull(repository, parts)

    expect((await api.pullRequest(2, noEnd())).isKnownAuthor).toBe(false)
    repository.collaborators.set('omar', 'write')
    expect((await api.pullRequest(2, noEnd())).isKnownAuthor).toBe(true)
  })

  test.each([
    ['guest', false],
    ['read', true],
    ['admin', true]
  ] as const)('GitLab: a member with the role %s is known: %s', async (role, isKnown) => {
    const { api, forge, repository } = await forgeRig('gitlab')
    const headCommit = await repository.commit({ 'a.txt': 'a' }, 'topic')
    await forge.openPull(repository, { author: 'omar', headBranch: 'topic', headCommit })
    repository.collaborators.set('omar', role)

    expect((await api.pullRequest(1, noEnd())).isKnownAuthor).toBe(isKnown)
  })
})
