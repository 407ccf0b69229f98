import { expect, test } from 'vitest'
import { FORGE_HOOKS } from '../../../gateway/hooks/forge-hooks.ts'
import { workflowJob } from '../../../gateway/hooks/workflow-job.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import { forgePost } from '../../support/forge-delivery.ts'

const REPOSITORY = { id: 7, full_name: 'team/kernel', clone_url: 'https://git.example/a.git' }

function meaningOf(forge: 'github' | 'gitea' | 'forgejo', job: unknown) {
  const body = { action: 'queued', workflow_job: job, repository: REPOSITORY }
  const text = JSON.stringify(body)
  const { headers } = forgePost(forge, text, { event: 'workflow_job', id: 'delivery-1' })
  const bytes = Buffer.from(text)
  return FORGE_HOOKS[forge].read({ headers, bytes, text, receivedAtMs: 0 }).meaning()
}

test.each(['github', 'gitea', 'forgejo'] as const)(
  'a workflow_job of %s names a job, and whatever else it says is not kept',
  (forge) => {
    const job = { id: 41, status: 'completed', labels: ['linux'], runner_name: 'somebody' }

    expect(meaningOf(forge, job)).toEqual({ kind: 'job', job: '41' })
  }
)

test.each([
  ['none', undefined],
  ['no number', { id: 'x' }],
  ['one below one', { id: 0 }],
  ['a fraction', { id: 1.5 }]
])('a body with a job of %s is refused', (_, job) => {
  const refused = (): unknown => {
    try {
      return workflowJob({ action: 'queued', workflow_job: job })
    } catch (error) {
      return codeOf(error)
    }
  }

  expect(refused()).toBe('BODY_INVALID')
})
