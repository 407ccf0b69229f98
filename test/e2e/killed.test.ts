import { afterEach, expect, test } from 'vitest'
import { engineGet } from '../../deploy/demo/engine.ts'
import { Judge } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'

/** Profile `short`: 3 s lease; the guard looks every 0.2 s, the engine needs a moment to report. */
const LEASE_MS = 3_000
const REPORT_MS = 1_000

let e2e: E2eMesh | undefined
let judge: Judge | undefined
afterEach(async () => {
  judge?.stop()
  await e2e?.stop()
})

/** On its first attempt alone: the second ends by itself. */
const ENDLESS = [
  '[ "$RUNNER_MESH_ATTEMPT" = 1 ] || exit 0',
  "trap '' TERM",
  'echo begun',
  'while true; do sleep 1; done'
].join('; ')

test.each([
  ['by the guard alone where its guardian is killed, too', true],
  ['by its lifeline, and is removed', false]
])(
  "a killed agent's container is dead by its deadline, %s",
  async (_how, guardAlone) => {
    e2e = await E2eMesh.start({ lease: 'short' })
    judge = await Judge.start(e2e.peerIds)
    const run = await e2e.push(pipelineOf(1, ENDLESS))
    const job = `${run.id}.0`
    const start = await eventually(`${job} starts`, () => judge?.startsOf(job)[0])
    await eventually('its step runs', async () => {
      return (await e2e?.log(job))?.includes('begun') || undefined
    })
    const killedAtMs = await wallMs()

    // No agent is left that could stop that container or take over its job.
    for (const agent of e2e.mesh.agents) await e2e.mesh.daemon(agent.name).kill('SIGKILL')
    if (guardAlone) e2e.killGuardians()
    const death = await eventually('the container dies', () =>
      judge?.seen.find((one) => one.action === 'die' && one.container === start.container)
    )

    expect(death.atMs - killedAtMs).toBeLessThan(LEASE_MS + REPORT_MS)
    if (guardAlone) {
      expect(await isThere(start.container)).toBe(true)
      for (const index of e2e.mesh.agents.keys()) e2e.mesh.startAgent(index)
      expect(await e2e.ended(run.id, 1)).toMatchObject([{ state: 'succeeded', attempt: 2 }])
      await e2e.clean()
      return
    }
    // No agent is left to remove it, and no one else is asked to: its guardian outlives it.
    await eventually('the dead container is removed', async () => {
      return (await isThere(start.container)) ? undefined : true
    })
  },
  180_000
)

test('a gateway killed right after its 202 and started again runs the job once', async () => {
  e2e = await E2eMesh.start()
  judge = await Judge.start(e2e.peerIds)
  const { commit, pushed } = await e2e.repository.push(
    { '.runner-mesh.yml': pipelineOf(1, 'echo once') },
    'change'
  )
  // The hook returns when the 202 has arrived: what follows is the gateway's own promise.
  await e2e.mesh.daemon('gateway').kill('SIGKILL')
  e2e.mesh.startGateway()
  await e2e.mesh.ready()
  const run = await e2e.runOf(commit)
  const [job] = await e2e.ended(run.id, 1)

  expect(pushed.stderr).toMatch(/run/)
  expect(job).toMatchObject({ state: 'succeeded', epoch: 1 })
  expect(judge.startsOf(`${run.id}.0`)).toHaveLength(1)
  await e2e.clean()
}, 180_000)

async function isThere(containerId: string): Promise<boolean> {
  const filters = encodeURIComponent(JSON.stringify({ id: [containerId] }))
  const found = await engineGet<readonly unknown[]>(`/containers/json?all=1&filters=${filters}`)
  return found.length > 0
}

/** The engine stamps its events with this host's wall clock. */
function wallMs(): Promise<number> {
  return Promise.resolve(performance.timeOrigin + performance.now())
}
