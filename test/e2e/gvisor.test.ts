import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { BASE_IMAGE } from '../../deploy/base-image.ts'
import { engineGet } from '../../deploy/demo/engine.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import { E2eMesh } from '../support/e2e-mesh.ts'
import { SecondEngine } from '../support/second-engine.ts'

/* Real daemons on an engine with gVisor: a job asks for it, and its lease holds there, too. */

const TEST_MS = 240_000
const LINES = 60
const LEASE = LEASE_PROFILES.default

let second: SecondEngine
let e2e: E2eMesh | undefined

beforeEach(async () => {
  const args = ['--network=none', '--platform=ptrace']
  second = await SecondEngine.start({ runsc: { path: '/usr/bin/runsc', args } })
  // Of the agents, and of all that looks after them here.
  vi.stubEnv('DOCKER_HOST', `unix://${second.socket}`)
})

afterEach(async () => {
  await e2e?.stop()
  e2e = undefined
  vi.unstubAllEnvs()
  await second.stop()
})

/** One agent that has tried its runtimes. */
async function started(): Promise<E2eMesh> {
  const mesh = await E2eMesh.start({ agents: 1 })
  e2e = mesh
  await offers(mesh, ['gvisor'])
  return mesh
}

async function offers(mesh: E2eMesh, levels: readonly string[]): Promise<void> {
  await eventually(
    `it offers ${levels.join(', ') || 'nothing more'}`,
    async () => {
      const { agents } = await mesh.mesh.api<Agents>('/api/v1/agents')
      return JSON.stringify(agents[0]?.isolation?.levels) === JSON.stringify(levels) || undefined
    },
    60_000
  )
}

interface Agents {
  readonly agents: readonly { readonly isolation: { readonly levels: readonly string[] } | null }[]
}

const pipeline = (run: string, isolation = 'gvisor', more = ''): string =>
  [
    `defaults: { image: '${BASE_IMAGE}', timeout: 2m }`,
    'jobs:',
    '  apart:',
    `    isolation: ${isolation}`,
    more,
    '    resources: { cpu: 0.5, memory: 64MiB }',
    `    steps: [{ run: ${JSON.stringify(run)} }]`,
    ''
  ].join('\n')

const counting = `dmesg | head -n 1; i=0; while [ $i -lt ${LINES} ]; do echo "line $i"; i=$((i + 1)); sleep 0.3; done`

/** Its container, once the job has said a line. */
async function speaking(mesh: E2eMesh, job: string, line: string) {
  await eventually(
    `${job} says ${line}`,
    async () => (await mesh.log(job)).includes(line) || undefined,
    60_000
  )
  const engine = Engine.local(second.socket)
  const [found] = await engine.containers({ 'runner-mesh.job': job })
  if (found === undefined) throw new Error('it has no container')
  const view = await engineGet<{ HostConfig: { Runtime: string } }>(`/containers/${found.id}/json`)
  expect(view.HostConfig.Runtime).toBe('runsc')
  return { engine, id: found.id }
}

const isDead = async (engine: Engine, id: string): Promise<boolean> =>
  (await engine.inspect(id))?.running !== true

test(
  'a job that asks for gVisor runs on its kernel; with a network or in a machine it waits and says why',
  async () => {
    const mesh = await started()
    const run = await mesh.push(pipeline('dmesg | head -n 1'))
    expect(await mesh.ended(run.id, 1)).toMatchObject([{ state: 'succeeded', attempt: 1 }])
    expect(await mesh.log(`${run.id}.0`)).toContain('Starting gVisor')

    const machine = await mesh.push(pipeline('echo no', 'vm'))
    const networked = await mesh.push(pipeline('echo no', 'gvisor', '    network: internet'))
    const dind = await mesh.push(pipeline('echo no', 'userns', '    labels: { docker: dind }'))
    for (const [waiting, why] of [
      [machine, 'needs isolation vm'],
      [networked, 'isolation gvisor with a network'],
      [dind, 'needs docker=dind']
    ] as const) {
      const said = await eventually(`${waiting.id} says why`, async () => {
        const [job] = await mesh.jobs(waiting.id)
        const text = JSON.stringify(job)
        return text.includes('will not resolve') ? text : undefined
      })
      expect(said).toContain('"queued"')
      expect(said).toContain(why)
    }
    await mesh.clean()
  },
  TEST_MS
)

test.each([
  ['by its guard alone, by a clock that is not the host’s', true],
  ['by its guardian where the job has stopped the guard, and is removed', false]
])(
  'the box in gVisor of a killed agent is dead by its deadline, %s',
  async (_how, guardAlone) => {
    const mesh = await started()
    const endless = "trap '' TERM; echo begun; while :; do sleep 1; done"
    // Root in there may stop its own guard: then the guardian outside is what holds.
    const stopped = guardAlone ? '' : 'kill -STOP 1; '
    const first = '[ "$RUNNER_MESH_ATTEMPT" = 1 ] || exit 0; '
    const run = await mesh.push(pipeline(`${first}${stopped}${endless}`))
    const { engine, id } = await speaking(mesh, `${run.id}.0`, 'begun')

    await mesh.mesh.daemon('agent-1').kill('SIGKILL')
    if (guardAlone) mesh.killGuardians()
    const killedAtMs = performance.now()
    await eventually('it is dead', async () => (await isDead(engine, id)) || undefined, 60_000)
    const tookMs = performance.now() - killedAtMs

    expect(tookMs).toBeLessThan(LEASE.leaseMs + LEASE.killBudgetMs)
    if (!guardAlone) {
      const isGone = async () => (await engine.inspect(id)) === undefined || undefined
      await eventually('it is removed', isGone, 20_000)
      return
    }
    mesh.mesh.startAgent(0)
    // Not before its runtimes have shown again what they are.
    expect(await mesh.ended(run.id, 1, 120_000)).toMatchObject([{ state: 'succeeded', attempt: 2 }])
    await mesh.clean()
  },
  TEST_MS
)

test(
  'an agent that is killed and started again goes on with its box in gVisor',
  async () => {
    const mesh = await started()
    const run = await mesh.push(pipeline(counting))
    const job = `${run.id}.0`
    const { engine, id } = await speaking(mesh, job, 'line 5')

    await mesh.mesh.daemon('agent-1').kill('SIGKILL')
    mesh.mesh.startAgent(0)
    const [ended] = await mesh.ended(run.id, 1, 120_000)

    expect(ended).toMatchObject({ state: 'succeeded', epoch: 1, attempt: 1 })
    const said = (await mesh.log(job)).split('\n').filter((line) => /line \d+$/.test(line))
    expect(said.map((line) => line.replace(/^.*line /, 'line '))).toEqual(
      Array.from({ length: LINES }, (_, at) => `line ${at}`)
    )
    expect(await mesh.logOf('agent-1')).toContain('attempt adopted')
    expect(await isDead(engine, id)).toBe(true)
    await mesh.clean()
  },
  TEST_MS
)
