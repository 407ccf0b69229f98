import { z } from 'zod'
import type { PullRequestEvent } from '../source-event.ts'
import type { HookEvent } from './forge-hook.ts'
import { forgeRepositorySchema } from './forge-push.ts'
import { checkedBody, commitIdSchema } from './git-push.ts'
import { baseSchema, changedSchema, retarget } from './retarget.ts'

/** Of a pull request on GitHub and on Gitea and Forgejo, which write some of them otherwise. */
const ACTIONS: ReadonlySet<string> = new Set([
  'opened',
  'reopened',
  'synchronize',
  'synchronized',
  'labeled',
  'label_updated'
])

/** Longest word for an action that is shown. */
const ACTION = /^[a-z_]{1,64}$/

export const pullRequestNumber = z.number().int().positive().max(Number.MAX_SAFE_INTEGER)

const pullRequestSchema = z.looseObject({
  number: pullRequestNumber,
  repository: forgeRepositorySchema,
  pull_request: z.looseObject({
    head: z.looseObject({ sha: commitIdSchema }),
    base: z.looseObject({ ref: baseSchema }).optional().catch(undefined),
    updated_at: changedSchema
  })
})

const actionSchema = z.looseObject({
  action: z.string().regex(ACTION).catch('unknown'),
  /** The pull request goes to another branch now: `base` of GitHub, `ref` of Gitea and Forgejo. */
  changes: z
    .looseObject({ base: z.looseObject({}).optional(), ref: z.looseObject({}).optional() })
    .optional()
    .catch(undefined)
})

/** What an event of a pull request means. Throws BODY_INVALID for one that would start a run. */
export function forgePullRequest(body: unknown): HookEvent {
  const { action, changes } = checkedBody(actionSchema, body)
  const isSentOn = changes?.base !== undefined || changes?.ref !== undefined
  if (action === 'edited' && isSentOn) return { kind: 'event', event: retargetOf(body) }
  if (ACTIONS.has(action)) return { kind: 'event', event: eventOf(body) }
  if (action === 'closed') return { kind: 'closed', event: eventOf(body) }
  return { kind: 'ignored', reason: `action ${action} of a pull request starts no run` }
}

function retargetOf(body: unknown): PullRequestEvent {
  const { base, updated_at: changedAt } = checkedBody(pullRequestSchema, body).pull_request
  return { ...eventOf(body), ...retarget(base?.ref, changedAt) }
}

function eventOf(body: unknown): PullRequestEvent {
  const { number, repository, pull_request: found } = checkedBody(pullRequestSchema, body)
  return {
    kind: 'pull_request',
    repository: repository.full_name,
    repositoryId: String(repository.id),
    number,
    ref: `refs/pull/${number}/head`,
    head: found.head.sha
  }
}
