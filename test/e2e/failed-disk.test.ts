import { execFileSync } from 'node:child_process'
import { afterEach, expect, test } from 'vitest'
import { Judge } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'
import { ProgramProcess } from '../support/program-process.ts'

let e2e: E2eMesh | undefined
let judge: Judge | undefined
let agents: ProgramProcess[] = []
afterEach(async () => {
  judge?.stop()
  await Promise.all(agents.map((agent) => agent.kill('SIGKILL')))
  await e2e?.stop()
  agents = []
})

/** The mesh's agents again, saying what they say to us: a full disk must not end them as a file. */
async function intoPipes({ mesh }: E2eMesh): Promise<void> {
  for (const { name, state } of mesh.agents) {
    await mesh.daemon(name).kill('SIGKILL')
    agents.push(new ProgramProcess('agent', ['start', '--state', state]))
  }
  await Promise.all(agents.map((agent) => agent.said('agent started')))
  await mesh.ready()
}

test('an agent whose disk fails in the middle of a job ends, and another runs the job', async () => {
  e2e = await E2eMesh.start({ lease: 'short' })
  await intoPipes(e2e)
  judge = await Judge.start(e2e.peerIds)
  const run = await e2e.push(pipelineOf(1, 'sleep 6'))
  const job = `${run.id}.0`
  const [first] = await eventually(`${job} starts`, () => {
    const starts = judge?.startsOf(job) ?? []
    return starts.length > 0 ? starts : undefined
  })
  const holder = agents[e2e.peerIds.indexOf(first?.peer ?? '')]

  // No file of its process may grow any more; the next register that it witnesses finds that out.
  execFileSync('prlimit', ['--pid', String(holder?.pid), '--fsize=1:1'])
  await e2e.push(pipelineOf(8, 'true'), 'more')
  const ended = await holder?.exited
  const [done] = await e2e.ended(run.id, 1)

  expect(ended).toMatchObject({ code: 70, signal: null })
  expect(ended?.stderr).toMatch(/^STORE_FAILED: .* nothing more is promised; .* start it again\n$/)
  expect(done).toMatchObject({ state: 'succeeded', epoch: 2 })
  const [, second, ...more] = judge.startsOf(job)
  expect(more).toEqual([])
  expect(second?.peer).not.toBe(first?.peer)
  const death = judge.seen.find(
    ({ action, container }) => action === 'die' && container === first?.container
  )
  // It ended its container itself, on its way out, and long before anybody else began.
  expect(death?.atMs).toBeLessThanOrEqual(second?.atMs ?? 0)
}, 240_000)
