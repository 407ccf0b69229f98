import { afterAll, beforeAll, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { nativePlatform } from '../../agent/execute/native-platform.ts'
import { Judge } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import { testImage } from '../support/test-image.ts'

const JOBS = 20
/** Something must be in an image. */
const FOLDER = { kind: 'folder', path: 'data', mode: 0o755 } as const

let e2e: E2eMesh
let judge: Judge
beforeAll(async () => {
  e2e = await E2eMesh.start({ capacity: { cpu: 1, memory: '512MiB', jobs: 2 } })
  judge = await Judge.start(e2e.peerIds)
}, 60_000)
afterAll(async () => {
  judge?.stop()
  await e2e?.stop()
})

test(`${JOBS} jobs of one push each run exactly once, as the engine's own events say`, async () => {
  const run = await e2e.push(pipelineOf(JOBS, 'echo one; sleep 0.2; echo two'))
  const jobs = await e2e.ended(run.id, JOBS, 120_000)

  expect(jobs.map((job) => job.state)).toEqual(Array(JOBS).fill('succeeded'))
  await eventually('the judge has seen every end', () => {
    return judge.seen.filter((one) => one.action === 'die').length >= JOBS ? true : undefined
  })
  const starts = jobs.map((job) => judge.startsOf(job.id).length)
  expect(starts).toEqual(Array(JOBS).fill(1))
  expect(judge.seen.filter((one) => one.action === 'start')).toHaveLength(JOBS)
  const holders = new Set(judge.seen.map((one) => one.peer))
  expect(holders.size, 'more than one agent took part').toBeGreaterThan(1)
  await e2e.clean()
}, 180_000)

test('the outcome is on a quorum of witnesses: every agent reads the same board', async () => {
  const views = await Promise.all(
    e2e.mesh.agents.map(async (_, index) => {
      const { jobs } = await e2e.mesh.agentJson<{ jobs: { id: string; state: string }[] }>(
        index,
        'jobs'
      )
      return jobs.map((job) => `${job.id} ${job.state}`).join('\n')
    })
  )

  expect(new Set(views).size).toBe(1)
  expect(views[0]?.split('\n')).toHaveLength(JOBS)
}, 30_000)

test('a failing step ends the job as failed, with its code, and the rest of the run goes on', async () => {
  const run = await e2e.push(
    [
      "defaults: { image: 'runner-mesh/busybox:1' }",
      'jobs:',
      '  bad:',
      '    resources: { cpu: 0.25, memory: 64MiB }',
      '    steps: [{ run: echo before; exit 7 }, { run: echo never }]',
      '  good:',
      '    resources: { cpu: 0.25, memory: 64MiB }',
      '    steps: [{ run: echo fine }]'
    ].join('\n')
  )
  const jobs = await e2e.ended(run.id, 2)
  const [bad, good] = jobs

  expect(bad).toMatchObject({ state: 'failed', exitCode: 7 })
  expect(bad?.steps.map((step) => step.state)).toEqual(['failed', 'not_run'])
  expect(good).toMatchObject({ state: 'succeeded' })
  expect(await e2e.log(bad?.id ?? '')).toContain('before')
  expect((await e2e.run(run.id)).state).toBe('failed')
  await e2e.clean()
}, 60_000)

test('an image that does not exist and one that cannot run a step are ours, and say what to do', async () => {
  const registry = await FakeRegistry.open(404, 'MANIFEST_UNKNOWN', 'manifest unknown')
  const bare = 'runner-mesh-test/shell-less:1'
  const engine = Engine.local(undefined)
  const platform = nativePlatform(await engine.info())
  const wish = { name: bare, bare: true, entries: [FOLDER], platform }
  const removeImage = await testImage(engine, wish)
  try {
    const absent = `${registry.host}/team/not-there:1`
    const job = (name: string, image: string): string =>
      `  ${name}: { image: '${image}', resources: { cpu: 0.25, memory: 64MiB }, steps: [{ run: id }] }`
    const run = await e2e.push(['jobs:', job('absent', absent), job('bare', bare)].join('\n'))
    const [none, unstarted] = await e2e.ended(run.id, 2)

    expect(none).toMatchObject({ state: 'errored', reason: 'image_unavailable' })
    expect(none?.why).toContain(`image ${absent} is not on this host and cannot be pulled`)
    expect(unstarted).toMatchObject({ state: 'errored', reason: 'step_not_started' })
    expect(unstarted?.why).toContain('the image needs /bin/sh')
    await e2e.clean()
  } finally {
    await removeImage()
    await registry.close()
  }
}, 60_000)

test('a broken pipeline file makes an errored run with line and column', async () => {
  const run = await e2e.push("jobs:\n  build:\n    imagee: 'x'\n    steps: [{ run: id }]\n")
  const seen = await eventually('the run is errored', async () => {
    const found = await e2e.run(run.id)
    return found.state === 'errored' ? found : undefined
  })

  expect(seen.error).toMatchObject({ code: 'PIPELINE_INVALID', line: 3 })
  expect(seen.error?.message).toContain('image')
}, 30_000)
