import { afterEach, expect, test } from 'vitest'
import { Judge } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'

let e2e: E2eMesh | undefined
let judge: Judge | undefined
afterEach(async () => {
  judge?.stop()
  await e2e?.stop()
})

interface Listed {
  readonly jobs: readonly { readonly id: string; readonly state: string; readonly epoch: number }[]
}

/** Every agent shows the ended job and its whole log, though no gateway is there any more. */
async function shownByAll(mesh: E2eMesh, text: string): Promise<readonly string[]> {
  const shown = mesh.mesh.agents.map((agent, index) =>
    eventually(
      `${agent.name} shows the job and its log`,
      async () => {
        const { jobs } = await mesh.mesh.agentJson<Listed>(index, 'jobs')
        const [job] = jobs
        if (job?.state !== 'succeeded') return undefined
        const log = await mesh.mesh.agent(index, 'logs', job.id)
        return log.stdout.includes(text) ? job.id : undefined
      },
      60_000,
      300
    )
  )
  return await Promise.all(shown)
}

test('killed after the quorum, before any word of it, and gone for good: the job runs once', async () => {
  // Without gossip nothing is announced: that the run exists is known from the witnesses alone.
  e2e = await E2eMesh.start({ lease: 'short', gossip: false })
  judge = await Judge.start(e2e.peerIds)
  const pipeline = pipelineOf(1, 'echo nobody told me')
  await e2e.repository.push({ '.runner-mesh.yml': pipeline }, 'change')
  await eventually('the run is recorded', async () => {
    return (await e2e?.logOf('gateway'))?.includes('"phase":"record"') ? true : undefined
  })
  await e2e.mesh.daemon('gateway').kill('SIGKILL')

  const jobs = await shownByAll(e2e, 'nobody told me')

  expect(new Set(jobs).size).toBe(1)
  expect(judge.startsOf(jobs[0] ?? '')).toHaveLength(1)
}, 150_000)

test('killed after the announcement and gone for good: the job runs once', async () => {
  e2e = await E2eMesh.start({ lease: 'short' })
  judge = await Judge.start(e2e.peerIds)
  const pipeline = pipelineOf(1, 'for i in 1 2 3; do echo "line $i"; sleep 0.5; done; echo done')
  await e2e.repository.push({ '.runner-mesh.yml': pipeline }, 'change')
  const start = await eventually('the job starts', () => {
    return judge?.seen.find((one) => one.action === 'start')
  })
  await e2e.mesh.daemon('gateway').kill('SIGKILL')

  const jobs = await shownByAll(e2e, 'done')

  expect(new Set(jobs)).toEqual(new Set([start.job]))
  expect(judge.startsOf(start.job)).toHaveLength(1)
}, 150_000)
