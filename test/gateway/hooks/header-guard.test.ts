import { describe, expect, test } from 'vitest'
import { FORGES, type ForgeName } from '../../../gateway/hooks/forge-hook.ts'
import { checkHeaders } from '../../../gateway/hooks/header-guard.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { forgePost } from '../../support/forge-delivery.ts'

const HEADERS = {
  git: { 'webhook-signature': 'v1,x' },
  gitea: forgePost('gitea', '{}').headers,
  forgejo: forgePost('forgejo', '{}').headers,
  github: forgePost('github', '{}').headers,
  gogs: { 'x-gogs-event': 'push', 'x-github-event': 'push' },
  gitlab: { 'x-gitlab-event': 'Push Hook' },
  none: { 'content-type': 'application/json' }
}

function refusal(forge: ForgeName, headers: Record<string, string>): string {
  try {
    checkHeaders(forge, headers)
    return ''
  } catch (error) {
    return error instanceof MeshError ? `${error.code} ${error.message}` : String(error)
  }
}

test.each(FORGES)('a delivery of %s is taken at its own path', (forge) => {
  expect(refusal(forge, HEADERS[forge])).toBe('')
})

describe('a delivery at the path of another is refused with the right path', () => {
  test.each([
    ['github', 'forgejo', "it is Forgejo's: set the hook's URL to /hooks/forgejo"],
    ['github', 'gitea', "it is Gitea's: set the hook's URL to /hooks/gitea"],
    ['gitea', 'forgejo', "it is Forgejo's: set the hook's URL to /hooks/forgejo"],
    ['forgejo', 'gitea', "it is Gitea's: set the hook's URL to /hooks/gitea"],
    ['gitea', 'github', "it is GitHub's: set the hook's URL to /hooks/github"],
    ['git', 'gitea', "it is Gitea's: set the hook's URL to /hooks/gitea"],
    ['github', 'gogs', "it is Gogs's, which no path takes yet"],
    ['gitea', 'gitlab', "it is GitLab's: set the hook's URL to /hooks/gitlab"],
    ['gitlab', 'github', "it is GitHub's: set the hook's URL to /hooks/github"],
    ['gitlab', 'none', 'it has no X-Gitlab-Event'],
    ['gitea', 'none', 'it has no X-Gitea-Event'],
    ['forgejo', 'git', 'it has no X-Forgejo-Event']
  ] as const)('/hooks/%s, headers of %s', (path, sender, problem) => {
    expect(refusal(path, HEADERS[sender])).toBe(
      `HOOK_PATH_MISMATCH /hooks/${path} does not take this delivery: ${problem}`
    )
  })
})

test('an empty event header is none', () => {
  const headers = { ...HEADERS.github, 'x-forgejo-event': '' }

  expect(refusal('github', headers)).toBe('')
})

test('a server that signs as Standard Webhooks may send the headers of others too', () => {
  expect(refusal('git', { ...HEADERS.git, 'x-github-event': 'push' })).toBe('')
  expect(refusal('git', HEADERS.none)).toBe('')
})
