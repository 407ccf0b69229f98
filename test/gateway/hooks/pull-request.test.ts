import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ForgeName } from '../../../gateway/hooks/forge-hook.ts'
import { FORGE_HOOKS } from '../../../gateway/hooks/forge-hooks.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import { forgePost, type HmacForge } from '../../support/forge-delivery.ts'
import { gitlabPost } from '../../support/gitlab-delivery.ts'
import { mergeRequestBody, pullRequestBody } from '../../support/pull-request-delivery.ts'

/* Which events of a pull or merge request start a run, and which end what waits. */

const HEAD = 'c'.repeat(40)

function meaningOf(forge: ForgeName, post: { headers: Record<string, string>; payload: string }) {
  const { headers, payload: text } = post
  const incoming = { headers, bytes: Buffer.from(text), text, receivedAtMs: 0 }
  return FORGE_HOOKS[forge].read(incoming).meaning()
}

function ofForge(forge: HmacForge, change: Parameters<typeof pullRequestBody>[0], event?: string) {
  const named = { event: event ?? 'pull_request' }
  return meaningOf(forge, forgePost(forge, pullRequestBody(change), named))
}

function ofGitlab(change: Parameters<typeof mergeRequestBody>[0]) {
  return meaningOf('gitlab', gitlabPost(mergeRequestBody(change), { event: 'Merge Request Hook' }))
}

const STARTS = {
  kind: 'event',
  event: {
    kind: 'pull_request',
    repository: 'team/kernel',
    repositoryId: '42',
    number: 7,
    ref: 'refs/pull/7/head',
    head: HEAD
  }
}

describe.each(['gitea', 'forgejo', 'github'] as const)('a pull request of %s', (forge) => {
  const [synchronized, labelled] =
    forge === 'github' ? ['synchronize', 'labeled'] : ['synchronized', 'label_updated']

  test.each(['opened', 'reopened', synchronized, labelled])('%s starts a run', (action) => {
    expect(ofForge(forge, { action })).toEqual(STARTS)
  })

  test('that is a draft runs as any other', () => {
    expect(ofForge(forge, { action: 'opened', draft: true })).toEqual(STARTS)
  })

  test('that goes to another branch now is a run of its own each time', () => {
    const changes =
      forge === 'github' ? { base: { ref: { from: 'main' } } } : { ref: { from: 'main' } }
    const sent = (base: string, updatedAt: string) => {
      return ofForge(forge, { action: 'edited', changes, base, updatedAt })
    }
    const first = sent('dev', '2026-01-01T00:00:00Z')
    expect(first).toMatchObject({ ...STARTS, event: { ...STARTS.event, base: 'dev' } })
    expect(sent('dev', '2026-01-01T00:00:00Z')).toEqual(first)
    const runs = [first, sent('main', '2026-01-01T00:01:00Z'), sent('dev', '2026-01-01T00:02:00Z')]
    const nonces = runs.map((run) => run.kind === 'event' && run.event.nonce)
    expect(new Set([undefined, ...nonces]).size).toBe(4)
    expect(ofForge(forge, { action: 'edited', changes: { title: {} } }).kind).toBe('ignored')
  })

  test('that is closed, merged too, ends what waits of it', () => {
    expect(ofForge(forge, { action: 'closed' })).toMatchObject({ ...STARTS, kind: 'closed' })
  })

  test.each(['assigned', 'locked', 'ready_for_review', 'milestoned', '<b>'])(
    '%s starts none, and says so',
    (action) => {
      const shown = action === '<b>' ? 'unknown' : action
      const reason = `action ${shown} of a pull request starts no run`
      expect(ofForge(forge, { action })).toEqual({ kind: 'ignored', reason })
    }
  )

  test.each(['pull_request_review', 'pull_request_comment', 'create', 'delete', 'issues'])(
    'is not what event %s is about',
    (event) => {
      expect(ofForge(forge, { action: 'opened' }, event).kind).toBe('ignored')
    }
  )

  test.each([{ head: 'abc' }, { number: -1 }, { number: 2 ** 60 }])('%j is refused', (change) => {
    expect(thrown(() => ofForge(forge, { action: 'opened', ...change }))).toBe('BODY_INVALID')
  })
})

describe('a merge request of GitLab', () => {
  const starts = { ...STARTS, event: { ...STARTS.event, ref: 'refs/merge-requests/7/head' } }

  test.each([
    ['open', {}],
    ['reopen', {}],
    ['update', { oldrev: 'b'.repeat(40) }],
    ['update', { changes: { labels: { previous: [], current: [{ title: 'ci' }] } } }],
    ['open', { changes: { target_branch: { previous: null, current: 'main' } } }]
  ])('%s with %j starts a run', (action, change) => {
    expect(ofGitlab({ action, ...change })).toEqual(starts)
  })

  test('that goes to another branch now is a run of its own', () => {
    const changes = { target_branch: { previous: 'dev', current: 'main' } }
    const sent = ofGitlab({ action: 'update', changes })

    expect(sent).toMatchObject({ ...starts, event: { ...starts.event, base: 'main' } })
    expect(sent).toMatchObject({ event: { nonce: expect.stringMatching(/^base [0-9a-f]{32}$/) } })
  })

  test.each(['close', 'merge'])('%s ends what waits of it', (action) => {
    expect(ofGitlab({ action })).toEqual({ ...starts, kind: 'closed' })
  })

  test.each([
    ['update', {}, 'an update without new commits or labels of a merge request starts no run'],
    ['update', { changes: { title: {} } }, 'an update without new commits or labels'],
    ['approved', {}, 'action approved of a merge request starts no run'],
    ['open', { last: null }, 'the merge request has no commit']
  ])('%s with %j starts none, and says so', (action, change, reason) => {
    const meaning = ofGitlab({ action, ...change })

    expect(meaning.kind).toBe('ignored')
    expect(meaning.kind === 'ignored' && meaning.reason).toContain(reason)
  })
})

test('whatever a body says of a pull request, it is read, ignored or BODY_INVALID', () => {
  const change = fc.record(
    {
      action: fc.oneof(fc.constantFrom('opened', 'update', 'closed'), fc.jsonValue()),
      number: fc.jsonValue(),
      pull_request: fc.jsonValue(),
      object_attributes: fc.jsonValue(),
      changes: fc.jsonValue()
    },
    { requiredKeys: [] }
  )
  fc.assert(
    fc.property(change, (found) => {
      for (const forge of ['gitea', 'forgejo', 'github'] as const) {
        const body = { ...JSON.parse(pullRequestBody({})), ...found }
        const post = forgePost(forge, JSON.stringify(body), { event: 'pull_request' })
        expect(['BODY_INVALID', undefined]).toContain(thrown(() => meaningOf(forge, post)))
      }
      const body = JSON.stringify({ ...JSON.parse(mergeRequestBody({})), ...found })
      const post = gitlabPost(body, { event: 'Merge Request Hook' })
      expect(['BODY_INVALID', undefined]).toContain(thrown(() => meaningOf('gitlab', post)))
    }),
    { numRuns: 500 }
  )
})

function thrown(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return codeOf(error) ?? 'something else'
  }
}
