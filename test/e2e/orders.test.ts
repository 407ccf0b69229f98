import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../../deploy/demo/process.ts'
import type { SeenJob } from '../../deploy/demo/watch.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { E2eMesh, pipelineOf, type SeenRun } from '../support/e2e-mesh.ts'
import { RunningCommand } from '../support/running-command.ts'

let e2e: E2eMesh
beforeAll(async () => {
  // Room for one job: the second one stays queued.
  const capacity = { cpu: 1, memory: '256MiB', jobs: 1 }
  e2e = await E2eMesh.start({ agents: 1, lease: 'short', capacity })
}, 120_000)
afterAll(() => e2e?.stop())

/** The two jobs of a run, once one of them runs its step; only its agent knows that at once. */
function oneRunning(run: SeenRun): Promise<{ running: SeenJob; queued: SeenJob }> {
  return eventually('one job runs', async () => {
    const all = await e2e.mesh.agentJson<{ jobs: SeenJob[] }>(0, 'jobs')
    const jobs = all.jobs.filter((job) => job.run === run.id)
    const running = jobs.find((job) => job.state === 'running')
    const queued = jobs.find((job) => job.state === 'queued')
    return running === undefined || queued === undefined ? undefined : { running, queued }
  })
}

test('a queued job is cancelled at once, a running one by its holder, an ended one not', async () => {
  const run = await e2e.push(pipelineOf(2, 'sleep 120'))
  const { running, queued } = await oneRunning(run)

  const first = await e2e.mesh.agent(0, 'cancel', queued.id, '--reason', 'superseded')
  const second = await e2e.mesh.agent(0, 'cancel', running.id)
  const third = await e2e.mesh.agent(0, 'cancel', running.id)
  const jobs = await e2e.ended(run.id, 2)

  expect(first).toMatchObject({ code: 0, stdout: `${queued.shortId} cancelled\n` })
  expect(second).toMatchObject({ code: 0, stdout: `${running.shortId} cancelled\n` })
  expect(second.stderr).toContain(`asked agent-1 to stop ${running.shortId}`)
  expect(third).toMatchObject({ code: 1, stdout: '' })
  expect(third.stderr).toContain('JOB_ENDED')
  expect(jobs.map(({ state }) => state)).toEqual(['cancelled', 'cancelled'])
  expect(jobs.find(({ id }) => id === queued.id)?.why).toContain('superseded')
  await e2e.clean()
}, 120_000)

test('drain --wait returns once nothing is held; resume lets the queued job run', async () => {
  // Longer than a loaded machine needs to start the command that is to see it run.
  const run = await e2e.push(pipelineOf(2, 'sleep 12'))
  const { running, queued } = await oneRunning(run)
  const state = e2e.mesh.agents[0]?.state ?? ''
  const drain = new RunningCommand(systemClock(), state, 'drain', '--wait')

  expect(await drain.exited, drain.stderr).toBe(0)
  expect(drain.stderr).toContain(running.id)
  const after = await e2e.jobs(run.id)
  expect(after.find(({ id }) => id === running.id)?.state).toBe('succeeded')
  expect(after.find(({ id }) => id === queued.id)?.state).toBe('queued')
  const status = await e2e.mesh.agent(0, 'status')
  expect(status.stdout).toMatch(/^agent-1 \* +draining/m)

  await e2e.mesh.agent(0, 'resume')
  const jobs = await e2e.ended(run.id, 2)
  expect(jobs.map(({ state: one }) => one)).toEqual(['succeeded', 'succeeded'])
}, 120_000)
