import { randomUUID } from 'node:crypto'
import { webhookHeaders } from './standard-webhook.ts'

/*
 * Deliveries as GitLab sends them, from its documentation and design/git-servers.md D1 alone: it
 * shares no code with the gateway.
 */

export const GITLAB_TOKEN = 'a token of twenty-four b'

export interface GitlabPostParts {
  readonly event?: string
  readonly id?: string
  readonly token?: string | undefined
  /** `whsec_...`: signed, and without a token. */
  readonly secret?: string
  readonly seconds?: number
}

export interface GitlabPushParts {
  readonly kind?: 'push' | 'tag_push'
  readonly ref?: string
  readonly after?: string
  readonly project?: Readonly<Record<string, unknown>>
}

/** The body of a push event, with the fields that GitLab's documentation shows. */
export function gitlabPushBody(parts: GitlabPushParts = {}): string {
  const { kind = 'push', ref = 'refs/heads/main', after = 'a'.repeat(40), project = {} } = parts
  return JSON.stringify({
    object_kind: kind,
    event_name: kind,
    before: '0'.repeat(40),
    after,
    ref,
    ref_protected: true,
    checkout_sha: after,
    message: null,
    user_id: 4,
    user_name: 'Lena Example',
    user_username: 'lena',
    user_email: '',
    project_id: 15,
    project: {
      id: 15,
      name: 'Kernel',
      description: null,
      web_url: 'https://gitlab.example/team/boards/kernel',
      git_ssh_url: 'git@gitlab.example:team/boards/kernel.git',
      git_http_url: 'https://gitlab.example/team/boards/kernel.git',
      namespace: 'boards',
      visibility_level: 0,
      path_with_namespace: 'team/boards/kernel',
      default_branch: 'main',
      ...project
    },
    commits: [],
    total_commits_count: 1
  })
}

export function gitlabPost(payload: string, parts: GitlabPostParts = {}) {
  const { event = 'Push Hook', id = randomUUID(), secret, token = GITLAB_TOKEN } = parts
  const { seconds = Math.floor(Date.now() / 1_000) } = parts
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'user-agent': 'GitLab/18.6.0',
    'x-gitlab-event': event,
    'x-gitlab-instance': 'https://gitlab.example',
    'x-gitlab-webhook-uuid': randomUUID(),
    'x-gitlab-event-uuid': randomUUID(),
    'idempotency-key': id
  }
  if (secret !== undefined)
    Object.assign(headers, webhookHeaders({ secret, id, seconds, body: payload }))
  else if (token !== '') headers['x-gitlab-token'] = token
  return { method: 'POST' as const, url: '/hooks/gitlab', headers, payload }
}
