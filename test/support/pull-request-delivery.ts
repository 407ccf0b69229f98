/*
 * Bodies of pull and merge request events, from the forges' documentation: shares no code with the
 * gateway.
 */

export interface PullRequestChange {
  readonly action?: string
  readonly number?: number
  readonly head?: string
  readonly draft?: boolean
  readonly base?: string
  readonly updatedAt?: string
  readonly changes?: Readonly<Record<string, unknown>>
  readonly repository?: Readonly<Record<string, unknown>>
}

/** As Gitea, Forgejo and GitHub post it, of the fields that they have in common. */
export function pullRequestBody(change: PullRequestChange = {}): string {
  const { action = 'opened', number = 7, head = 'c'.repeat(40), draft = false } = change
  const { base = 'main', updatedAt } = change
  const repository = {
    id: 42,
    name: 'kernel',
    full_name: 'team/kernel',
    private: false,
    fork: false,
    clone_url: 'https://git.example/team/kernel.git',
    ssh_url: 'git@git.example:team/kernel.git',
    ...change.repository
  }
  const fork = { id: 77, full_name: 'mallory/kernel', fork: true }
  return JSON.stringify({
    action,
    number,
    changes: change.changes,
    pull_request: {
      id: 1_001,
      number,
      state: action === 'closed' ? 'closed' : 'open',
      title: 'Fix the wakeup',
      draft,
      user: { login: 'mallory', id: 9 },
      labels: [],
      head: { ref: 'fix', sha: head, repo: fork },
      base: { ref: base, sha: 'b'.repeat(40), repo: repository },
      updated_at: updatedAt
    },
    repository,
    sender: { login: 'mallory', id: 9 }
  })
}

export interface MergeRequestChange {
  readonly action?: string
  readonly iid?: number
  readonly oldrev?: string
  /** Id of the last commit; null where there is none. */
  readonly last?: string | null
  readonly changes?: Readonly<Record<string, unknown>>
  readonly project?: Readonly<Record<string, unknown>>
}

/** As GitLab posts it. */
export function mergeRequestBody(change: MergeRequestChange = {}): string {
  const { action = 'open', iid = 7, oldrev, last = 'c'.repeat(40) } = change
  return JSON.stringify({
    object_kind: 'merge_request',
    event_type: 'merge_request',
    user: { id: 9, name: 'Mallory', username: 'mallory' },
    project: {
      id: 42,
      name: 'kernel',
      git_ssh_url: 'git@git.example:team/kernel.git',
      git_http_url: 'https://git.example/team/kernel.git',
      path_with_namespace: 'team/kernel',
      ...change.project
    },
    object_attributes: {
      id: 9_001,
      iid,
      action,
      oldrev,
      state: 'opened',
      source_branch: 'fix',
      target_branch: 'main',
      source_project_id: 77,
      target_project_id: 42,
      last_commit: last === null ? null : { id: last, message: 'fix' }
    },
    labels: [],
    changes: change.changes ?? {}
  })
}
