import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BASE_IMAGE } from '../../deploy/demo/pipeline.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'

const TEST_MS = 240_000
const DAY_MS = 86_400_000
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

let e2e: E2eMesh
beforeAll(async () => {
  e2e = await E2eMesh.start({
    agents: 2,
    settings: {
      'agent-1': ['policy: { repositories: [other/*] }'],
      'agent-2': [
        'policy: { repositories: [team], refs: [main], images: [docker.io/runner-mesh/*] }'
      ]
    }
  })
}, TEST_MS)
afterAll(() => e2e?.stop())

/** Why the one job of the run is where it is, as the gateway and an agent say, once it matches. */
function why(run: string, expected: string): Promise<string> {
  return eventually(`${run} says ${expected}`, async () => {
    const [job] = await e2e.jobs(run)
    const { stdout } = await e2e.mesh.agent(0, 'jobs')
    const line = job?.why ?? ''
    if (!line.includes(expected)) throw new Error(line)
    return stdout.includes(expected.slice(0, 20)) ? line : undefined
  })
}

test(
  'a host whose owner does not take a repository leaves its jobs to another',
  async () => {
    const run = await e2e.push(pipelineOf(4, 'echo "$RUNNER_MESH_AGENT took it"'))
    const jobs = await e2e.ended(run.id, 4, 120_000)

    expect(jobs.map(({ state }) => state)).toEqual(Array(4).fill('succeeded'))
    for (const job of jobs) expect(await e2e.log(job.id)).toContain('agent-2 took it')
  },
  TEST_MS
)

test(
  'a job that no owner takes stays queued, says whose policy it is, and fails nobody',
  async () => {
    const foreign = pipelineOf(1, 'true').replace(BASE_IMAGE, 'registry.example/stranger:1')
    const run = await e2e.push(foreign)

    const line = await why(run.id, 'no agent takes it')
    expect(line).toBe(
      'no agent takes it: agent-1 does not take repository team, agent-2 does not take image ' +
        "registry.example/stranger (their owners' policies); it will not resolve by itself"
    )
    const [job] = await e2e.jobs(run.id)
    expect(job).toMatchObject({ state: 'queued', epoch: 0 })

    const { stdout } = await e2e.mesh.agent(0, 'status', 'agent-2')
    expect(stdout).toMatch(/^takes only +repositories team; refs main; images docker\.io/m)
    await e2e.mesh.agent(0, 'cancel', job?.id ?? '')
  },
  TEST_MS
)

test(
  'outside its hours a host takes nothing and says when it opens; what runs there goes on',
  async () => {
    const running = await e2e.push(pipelineOf(1, 'echo on; sleep 20; echo done'))
    await eventually('the step runs', async () => {
      return (await e2e.log(`${running.id}.0`)).includes('on') || undefined
    })
    const opens = `${DAYS[new Date(Date.now() + 3 * DAY_MS).getUTCDay()]} 00:00`
    await restartClosed(1, opens)

    const run = await e2e.push(pipelineOf(1, 'echo late'))
    const line = await why(run.id, 'is closed')
    expect(line).toBe(
      `no agent that fits takes jobs: agent-2 is closed (its owner's hours begin ${opens} (UTC)); ` +
        'it starts when one is back'
    )
    const { stdout } = await e2e.mesh.agent(1, 'status')
    expect(stdout).toContain(
      `# this host takes no new jobs: its owner's hours begin ${opens} (UTC); what runs goes on`
    )
    expect(stdout).toContain('closed')

    const [ended] = await e2e.ended(running.id, 1, 120_000)
    expect(ended).toMatchObject({ state: 'succeeded', epoch: 1 })
    expect((await e2e.jobs(run.id))[0]).toMatchObject({ state: 'queued', epoch: 0 })
  },
  TEST_MS
)

/** The agent dies and comes back with hours that begin days from now. */
async function restartClosed(index: number, opens: string): Promise<void> {
  const agent = e2e.mesh.agents[index]
  if (agent === undefined) throw new Error(`there is no agent ${index}`)
  const file = join(agent.state, 'agent.yaml')
  const settings = (await readFile(file, 'utf8')).replace(
    /^policy: .*$/m,
    `policy: { hours: ["${opens}-00:01"], zone: UTC }`
  )
  await writeFile(file, settings)
  await e2e.mesh.daemon(agent.name).kill('SIGKILL')
  e2e.mesh.startAgent(index)
}
