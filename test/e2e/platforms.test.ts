import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { flaggedLevels } from '../../agent/probe/amd64-levels.ts'
import { busyboxRoot } from '../../deploy/base-image.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh } from '../support/e2e-mesh.ts'
import { ARM64_BUSYBOX } from '../support/foreign-busybox.ts'
import { ImageRegistry } from '../support/image-registry.ts'

const TEST_MS = 240_000
const [AMD64, ARM64] = ['linux/amd64', 'linux/arm64/v8'] as const

let e2e: E2eMesh
let registry: ImageRegistry
let image: string
let imageIds: readonly string[] = []

// The hosts of these tests have an amd64 processor; deploy/engine-tests.sh gives them emulators.
beforeAll(async () => {
  registry = await ImageRegistry.open()
  const { images } = await registry.pushIndex('team/tool', '1', [
    { platform: AMD64, entries: await busyboxRoot() },
    { platform: ARM64, entries: await busyboxRoot(ARM64_BUSYBOX) }
  ])
  imageIds = images.map(({ imageId }) => imageId)
  image = `${registry.host}/team/tool:1`
  e2e = await E2eMesh.start({ agents: 2 })
}, TEST_MS)

afterAll(async () => {
  await e2e?.stop()
  for (const id of imageIds) await Engine.local(undefined).removeImage(id)
  await registry?.close()
}, TEST_MS)

/** One job in the image of two platforms. */
function pipeline(platform: string, script: string, more = ''): string {
  const resources = 'resources: { cpu: 0.25, memory: 64MiB }'
  const steps = `steps: [{ run: ${JSON.stringify(script)} }]`
  const lines = [`platform: ${platform}`, ...(more === '' ? [] : [more]), resources, steps]
  const job = lines.map((line) => `    ${line}\n`).join('')
  return `defaults: { image: '${image}', timeout: 2m }\njobs:\n  build:\n${job}`
}

/** What an agent's `why` says of the one job of a run, once it has `expected` in it. */
function why(jobId: string, expected: string): Promise<string> {
  return eventually(`why has ${expected}`, async () => {
    const { stdout } = await e2e.mesh.agent(1, 'why', jobId)
    return stdout.includes(expected) ? stdout : undefined
  })
}

describe('a job for another platform', { timeout: TEST_MS }, () => {
  test('runs under an emulator, and says that it does and what that makes of its timeouts', async () => {
    const run = await e2e.push(pipeline('linux/arm64', 'uname -m; sleep 8; echo over'))
    const emulated = /agent-\d emulates linux\/arm64: its timeouts are 5 times as long/
    await eventually('jobs says that it is emulated', async () => {
      const { stdout } = await e2e.mesh.agent(0, 'jobs')
      return emulated.test(stdout) || undefined
    })
    expect(await why(`${run.id}.0`, 'emulates')).toMatch(emulated)

    const [job] = await e2e.ended(run.id, 1, 120_000)
    expect(job).toMatchObject({ state: 'succeeded' })
    const log = await e2e.log(job?.id ?? '')
    expect(log).toContain('aarch64')
    expect(log).toMatch(/image \S+ is sha256:\w+ for linux\/arm64\/v8/)
  })

  test('that asks for a level of amd64 runs where the processors have shown it', async () => {
    const level = (await flaggedLevels('/')).at(-1) ?? 1
    const { stdout } = await e2e.mesh.agent(0, 'status', 'agent-1')
    expect(stdout).toContain(`linux/amd64/v${level}`)

    const run = await e2e.push(pipeline(`linux/amd64/v${level}`, 'uname -m'))
    const [job] = await e2e.ended(run.id, 1, 120_000)
    expect(job).toMatchObject({ state: 'succeeded' })
    expect(await e2e.log(job?.id ?? '')).toContain('x86_64')

    const beyond = await e2e.push(pipeline('linux/amd64/v9', 'uname -m'))
    const said = await why(`${beyond.id}.0`, 'but the job needs platform linux/amd64/v9')
    expect(said).toContain('it will not resolve by itself')
    await e2e.mesh.agent(0, 'cancel', `${beyond.id}.0`)
  })

  test('that forbids emulation is claimed by nobody, and why says what is missing', async () => {
    const run = await e2e.push(pipeline('linux/arm64', 'uname -m', 'emulation: forbid'))
    const jobId = `${run.id}.0`
    const line = 'no host offers linux/arm64 natively and the job forbids emulation'
    const said = await why(jobId, line)
    expect(said).toContain('it will not resolve by itself')
    expect(said).toContain('fix: add a host of linux/arm64, or `emulation: allow`')
    expect((await e2e.jobs(run.id))[0]).toMatchObject({ state: 'queued', epoch: 0 })
    await e2e.mesh.agent(0, 'cancel', jobId)
  })

  test('whose image is not there for it is claimed by nobody, and why says what there is', async () => {
    const run = await e2e.push(pipeline('linux/386', 'echo never'))
    const jobId = `${run.id}.0`
    const said = await why(jobId, 'no agent that fits can have image')
    expect(said).toMatch(
      `no agent that fits can have image ${image} for linux/386: it is there for only ${AMD64}, ` +
        ARM64
    )
    expect(said).toContain(`fix: push ${image} for linux/386`)
    expect((await e2e.jobs(run.id))[0]).toMatchObject({ state: 'queued', epoch: 0 })
    await e2e.mesh.agent(0, 'cancel', jobId)
  })
})
