import { afterEach, expect, test } from 'vitest'
import { Judge } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'

/**
 * From the command that joins to the first job. A quiet machine needs 5 s; what would be missed
 * otherwise is a host that waits for the next round of something: those come every minute.
 */
const JOIN_TO_JOB_MS_MAX = 40_000

let e2e: E2eMesh | undefined
let judge: Judge | undefined
afterEach(async () => {
  judge?.stop()
  await e2e?.stop()
})

test('a host that joins runs the job that waits for it without waiting for a round', async () => {
  e2e = await E2eMesh.start({ agents: 2 })
  judge = await Judge.start()
  const { mesh } = e2e
  const run = await e2e.push(pipelineOf(1, 'echo at last', 'agent-3'))
  const job = `${run.id}.0`
  // Not only recorded: every member that is there knows it, and may not take it.
  await eventually('the agents know the job', async () => {
    for (const index of mesh.agents.keys()) {
      const known = await mesh.agent(index, 'jobs', '--json')
      if (!known.stdout.includes(job)) return undefined
    }
    return true
  })
  const index = await mesh.newHost()
  const host = mesh.agents[index]
  if (host === undefined) throw new Error('no new host')
  const string = await mesh.invite('--role', 'agent')

  const joinedAtMs = performance.timeOrigin + performance.now()
  await mesh.join(host, string)
  mesh.startAgent(index)
  const start = await eventually('the new host runs the job', () => judge?.startsOf(job)[0])
  const [ended] = await e2e.ended(run.id, 1)

  const joinToJobMs = Math.round(start.atMs - joinedAtMs)
  process.stdout.write(`${JSON.stringify({ join_to_job_ms: joinToJobMs })}\n`)
  expect(start.peer).toBe(host.id.split('/')[0])
  expect(ended).toMatchObject({ state: 'succeeded', epoch: 1 })
  expect(joinToJobMs, await e2e.logOf(host.name)).toBeLessThan(JOIN_TO_JOB_MS_MAX)
}, 180_000)
