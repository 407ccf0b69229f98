import { z } from 'zod'
import type { PullRequestEvent } from '../source-event.ts'
import type { HookEvent } from './forge-hook.ts'
import { pullRequestNumber } from './forge-pull-request.ts'
import { checkedBody, commitIdSchema } from './git-push.ts'
import { projectSchema } from './gitlab-push.ts'
import { baseSchema, changedSchema, retarget } from './retarget.ts'

const ACTION = /^[a-z_]{1,64}$/

const actionSchema = z.looseObject({
  object_attributes: z.looseObject({
    action: z.string().regex(ACTION).catch('unknown'),
    /** The head before: there where an update has brought new commits, and only then. */
    oldrev: z.string().min(1).optional().catch(undefined)
  }),
  changes: z
    .looseObject({ labels: z.unknown().optional(), target_branch: z.unknown().optional() })
    .optional()
    .catch(undefined)
})

const mergeRequestSchema = z.looseObject({
  project: projectSchema,
  object_attributes: z.looseObject({
    iid: pullRequestNumber,
    target_branch: baseSchema,
    updated_at: changedSchema,
    last_commit: z.looseObject({ id: commitIdSchema }).nullish()
  })
})

/** What an event of a merge request means. Throws BODY_INVALID for one that would start a run. */
export function gitlabMergeRequest(body: unknown): HookEvent {
  const { object_attributes: attributes, changes } = checkedBody(actionSchema, body)
  const { action, oldrev } = attributes
  const isChanged = changes?.labels !== undefined || changes?.target_branch !== undefined
  const isNews = action === 'update' && (oldrev !== undefined || isChanged)
  const isClosed = action === 'close' || action === 'merge'
  if (action !== 'open' && action !== 'reopen' && !isNews && !isClosed) {
    const what =
      action === 'update' ? 'an update without new commits or labels' : `action ${action}`
    return { kind: 'ignored', reason: `${what} of a merge request starts no run` }
  }
  const event = eventOf(body, isNews && changes?.target_branch !== undefined)
  if (event === undefined) return { kind: 'ignored', reason: 'the merge request has no commit' }
  return { kind: isClosed ? 'closed' : 'event', event }
}

function eventOf(body: unknown, isSentOn: boolean): PullRequestEvent | undefined {
  const { project, object_attributes: found } = checkedBody(mergeRequestSchema, body)
  if (found.last_commit === undefined || found.last_commit === null) return undefined
  return {
    kind: 'pull_request',
    repository: project.path_with_namespace,
    repositoryId: String(project.id),
    number: found.iid,
    ref: `refs/merge-requests/${found.iid}/head`,
    head: found.last_commit.id,
    ...(isSentOn ? retarget(found.target_branch, found.updated_at) : {})
  }
}
