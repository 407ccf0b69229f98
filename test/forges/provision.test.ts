import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { eventually } from '../support/eventually.ts'
import type { FakeWorkflowJob } from '../support/fake-forge-runners.ts'
import type { ForgeGateway } from '../support/forge-gateway.ts'
import { ForgeMesh } from '../support/forge-mesh.ts'
import { forgeSide } from '../support/forge-side.ts'

const CELL_MS_MAX = 120_000
const FOUND_MS_MAX = 30_000
const LABELS = ['linux']
const NAMES = ['RUNNER_FILE', 'RUNNER_TOKEN']

vi.setConfig({ testTimeout: CELL_MS_MAX, hookTimeout: CELL_MS_MAX })

let mesh: ForgeMesh
/** Slots of tests before. */
const past = new Set<string>()

beforeAll(async () => {
  const side = await forgeSide('gitea')
  const provision = { runners: [{ labels: LABELS, image: 'debian:13', slots: 8 }] }
  mesh = await ForgeMesh.start({ ...side, settings: { ...side.settings, provision } })
})

afterAll(async () => {
  await mesh?.stop()
})

function queue(): FakeWorkflowJob {
  const { repository } = mesh.side
  return repository.actions.queue(repository, { labels: LABELS })
}

function tell(job: FakeWorkflowJob) {
  return mesh.side.forge.sendJob(mesh.side.repository, job)
}

/** New slots, once there are so many; there were never more. */
async function slots(count: number): Promise<readonly string[]> {
  const found = await eventually(
    `${count} slots`,
    () => {
      const now = mesh.runs().filter((run) => !past.has(run))
      return now.length >= count && now
    },
    FOUND_MS_MAX
  )
  expect(found).toHaveLength(count)
  return found
}

/** An agent runs the slot, and its runner the job that its forge gives it. */
async function run(slot: string): Promise<FakeWorkflowJob> {
  const { actions } = mesh.side.repository
  const before = new Set(actions.registered)
  let given: FakeWorkflowJob | undefined
  const { secrets } = await mesh.finish(slot, NAMES, () => {
    const runner = actions.registered.find((each) => !before.has(each))
    given = runner && actions.give(runner)
    if (runner !== undefined && given !== undefined) actions.complete(runner, 'success')
  })
  expect(secrets).toMatchObject({ kind: 'released' })
  if (given === undefined) throw new Error('no runner, or no job')
  past.add(slot)
  return given
}

async function restart(gateway: ForgeGateway): Promise<void> {
  await gateway.kill()
  await gateway.start()
}

test('a job that is told of three times gets one slot, whose holder gets a runner', async () => {
  const job = queue()
  for (let times = 0; times < 3; times += 1) {
    const [delivery] = await tell(job)
    expect(delivery?.status).toBe(202)
  }
  const [slot = ''] = await slots(1)

  expect(await run(slot)).toBe(job)
  expect(mesh.side.said('0'.repeat(40))).toEqual([])
})

test('a gateway that is killed once a hook is answered starts what it named, and once', async () => {
  const [told, untold] = [queue(), queue()]
  await tell(told)
  await restart(mesh.gateway)

  const found = await slots(2)
  await restart(mesh.gateway)
  const jobs = [await run(found[0] ?? ''), await run(found[1] ?? '')]

  expect(new Set(jobs)).toEqual(new Set([told, untold]))
})

test('two gateways that both hear of a job start one slot, and either may be gone then', async () => {
  const [first, second] = mesh.gateways
  if (first === undefined || second === undefined) throw new Error('two gateways')
  await second.start()
  const unhook = mesh.hook(second)
  const job = queue()
  await Promise.all([tell(job), tell(job)])
  const [slot = ''] = await slots(1)

  const after = queue()
  await first.kill()
  await tell(after)
  const all = await slots(2)
  await first.start()
  const jobs = [await run(slot), await run(all.find((each) => each !== slot) ?? '')]

  expect(new Set(jobs)).toEqual(new Set([job, after]))
  unhook()
})
