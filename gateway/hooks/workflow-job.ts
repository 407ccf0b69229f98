import { z } from 'zod'
import type { HookEvent } from './forge-hook.ts'
import { checkedBody } from './git-push.ts'

const bodySchema = z.looseObject({
  action: z.string(),
  workflow_job: z.looseObject({ id: z.number().int().positive() })
})

/**
 * What a `workflow_job` event of GitHub or Gitea means: that this job is to be looked at. Nothing
 * else of it is kept. Its signature covers no time, so that an old `queued` can come again, and
 * whatever its action is, the forge says better what became of the job since. Throws BODY_INVALID.
 */
export function workflowJob(body: unknown): HookEvent {
  const { workflow_job: job } = checkedBody(bodySchema, body)
  return { kind: 'job', job: String(job.id) }
}
