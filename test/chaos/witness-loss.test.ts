import { afterEach, expect, test } from 'vitest'
import { Judge } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'

/* Three agents are the three witnesses; the gateway is none, so that its life decides nothing. */

let e2e: E2eMesh | undefined
let judge: Judge | undefined
afterEach(async () => {
  judge?.stop()
  await e2e?.stop()
})

async function started(): Promise<{ e2e: E2eMesh; judge: Judge }> {
  e2e = await E2eMesh.start({ lease: 'short', gatewayWitness: false })
  judge = await Judge.start(e2e.peerIds)
  return { e2e, judge }
}

/** Where the job runs, and the other agents. */
async function running(mesh: E2eMesh, seen: Judge, job: string) {
  const start = await eventually(`${job} starts`, () => seen.startsOf(job).at(-1))
  const holder = mesh.peerIds.indexOf(start.peer)
  const others = [...mesh.mesh.agents.keys()].filter((index) => index !== holder)
  return { start, holder, others }
}

const kill = (mesh: E2eMesh, index: number | undefined): Promise<void> =>
  mesh.mesh.daemon(mesh.mesh.agents[index ?? -1]?.name ?? '').kill('SIGKILL')

test('one witness of three killed: the job goes on, and a new one starts', async () => {
  const { e2e, judge } = await started()
  const first = await e2e.push(pipelineOf(1, 'for i in 1 2 3 4 5 6 7 8; do sleep 0.5; done'))
  const { others } = await running(e2e, judge, `${first.id}.0`)

  await kill(e2e, others[0])
  const second = await e2e.push(pipelineOf(1, 'echo still here'), 'second')
  const [job] = await e2e.ended(first.id, 1)
  const [later] = await e2e.ended(second.id, 1)

  expect(job).toMatchObject({ state: 'succeeded', epoch: 1 })
  expect(later).toMatchObject({ state: 'succeeded', epoch: 1 })
  expect(judge.startsOf(`${first.id}.0`)).toHaveLength(1)
}, 120_000)

test('two of three killed: the holder stops by its deadline, all goes on when one is back', async () => {
  const { e2e, judge } = await started()
  const run = await e2e.push(
    pipelineOf(1, 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.5; done')
  )
  const job = `${run.id}.0`
  const { start, holder, others } = await running(e2e, judge, job)

  await Promise.all(others.map((index) => kill(e2e, index)))
  const killedAtMs = performance.timeOrigin + performance.now()
  const death = await eventually('the container dies', () =>
    judge.seen.find((one) => one.action === 'die' && one.container === start.container)
  )
  const name = e2e.mesh.agents[holder]?.name ?? ''
  const said = await eventually('the holder says why', async () => {
    const lines = (await e2e.logOf(name)).split('\n')
    return lines.find((line) => line.includes('lease nearly over') || line.includes('lease lost'))
  })
  const status = await e2e.mesh.agentJson<{ health: { code: string }[] }>(holder, 'status')

  // 2.2 s from the start of the last good renewal, and a second for the engine to report.
  expect(death.atMs - killedAtMs).toBeLessThan(3_200)
  expect(said).toMatch(/"reason":"(?:not_renewed|expired)"/)
  expect(status.health.map(({ code }) => code)).toContain('QUORUM_UNREACHABLE')
  const waiting = await e2e.jobs(run.id)
  expect(waiting[0]?.state).not.toBe('succeeded')

  e2e.mesh.startAgent(others[0] ?? -1)
  const [ended] = await e2e.ended(run.id, 1, 90_000)
  expect(ended).toMatchObject({ state: 'succeeded' })
  expect(judge.overlapsOf(job)).toEqual([])
}, 180_000)
