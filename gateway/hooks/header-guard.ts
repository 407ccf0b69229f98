import type { IncomingHttpHeaders } from 'node:http'
import { MeshError } from '../../protocol/core/errors.ts'
import { type ForgeName, headerOf, hookPath } from './forge-hook.ts'

/**
 * Whose headers they are, by the first that is there. The order matters: Forgejo sends those of
 * Gitea too, and both send those of Gogs and GitHub.
 */
const EVENT_HEADERS = [
  { header: 'X-Forgejo-Event', sender: 'Forgejo', forge: 'forgejo' },
  { header: 'X-Gitea-Event', sender: 'Gitea', forge: 'gitea' },
  { header: 'X-Gogs-Event', sender: 'Gogs', forge: undefined },
  { header: 'X-Gitlab-Event', sender: 'GitLab', forge: 'gitlab' },
  { header: 'X-GitHub-Event', sender: 'GitHub', forge: 'github' }
] as const

/**
 * The forge is known by the path (decision 7); this only refuses headers that do not fit it, so
 * that a hook with the wrong URL says so instead of failing later. Throws HOOK_PATH_MISMATCH.
 */
export function checkHeaders(forge: ForgeName, headers: IncomingHttpHeaders): void {
  const found = EVENT_HEADERS.find(({ header }) => (headerOf(headers, header) ?? '') !== '')
  if (forge === 'git') {
    // A server that signs as Standard Webhooks may copy another's event header.
    if (found === undefined || headerOf(headers, 'webhook-signature') !== undefined) return
  } else if (found?.forge === forge) return
  throw new MeshError('HOOK_PATH_MISMATCH', {
    path: hookPath(forge),
    problem: problemOf(found, forge)
  })
}

function problemOf(found: (typeof EVENT_HEADERS)[number] | undefined, forge: ForgeName): string {
  if (found === undefined) {
    const wanted = EVENT_HEADERS.find((each) => each.forge === forge)
    return `it has no ${wanted?.header}`
  }
  const { sender } = found
  if (found.forge === undefined) return `it is ${sender}'s, which no path takes yet`
  return `it is ${sender}'s: set the hook's URL to ${hookPath(found.forge)}`
}
