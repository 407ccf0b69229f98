import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { busyboxRoot } from '../../deploy/base-image.ts'
import { BASE_IMAGE } from '../../deploy/demo/pipeline.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh } from '../support/e2e-mesh.ts'
import { ImageRegistry } from '../support/image-registry.ts'

const GATEWAY_MAIN = resolve(import.meta.dirname, '..', '..', 'dist', 'gateway', 'main.js')
const TEST_MS = 180_000
const canary = `canary-${randomBytes(16).toString('hex')}`
const run = promisify(execFile)

let e2e: E2eMesh
beforeAll(async () => {
  // Of 30 s: a loaded machine may take longer than 3 to start the agent again.
  e2e = await E2eMesh.start({ agents: 1 })
}, TEST_MS)
afterAll(() => e2e?.stop())

/** `gateway secret ...` beside the running gateway, with this on its standard input. */
function secret(input: string, ...args: readonly string[]): string {
  const command = [GATEWAY_MAIN, 'secret', ...args, '--state', e2e.mesh.gateway.state]
  const { status, stderr } = spawnSync(process.execPath, command, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stderr
}

const pipeline = (secrets: string, ...steps: readonly string[]): string =>
  pipelineIn(BASE_IMAGE, secrets, ...steps)

const pipelineIn = (image: string, secrets: string, ...steps: readonly string[]): string => {
  const listed = steps.map((step) => `      - run: ${JSON.stringify(step)}`).join('\n')
  const job = `  job:\n    secrets: ${secrets}\n    resources: { cpu: 0.25, memory: 64MiB }\n    steps:\n`
  return `defaults: { image: '${image}', timeout: 2m }\njobs:\n${job}${listed}\n`
}

/** Files of the whole mesh, its agents' and its gateway's, that hold the text. */
async function holding(text: string): Promise<string> {
  const found = run('grep', ['-rlaF', '-e', text, e2e.mesh.root])
  return (
    (await found.catch((error: { stdout?: string }) => ({ stdout: error.stdout }))).stdout ?? ''
  )
}

test(
  'a secret reaches the steps that name it, after a restart too, and nothing else',
  async () => {
    secret(`${canary}\n`, 'set', 'TOKEN', '--repo', e2e.repository.name, '--branch', 'main')
    const begun = await e2e.push(
      pipeline(
        '[TOKEN]',
        'echo "first $TOKEN $(printf %s "$TOKEN" | wc -c)"; printf %s "$TOKEN" | base64; sleep 15',
        'echo "second $TOKEN"; test "$(printf %s "$TOKEN" | wc -c)" = 39'
      )
    )
    const job = `${begun.id}.0`
    await eventually('the first step has spoken', async () => {
      return (await e2e.log(job)).includes('first') || undefined
    })

    await e2e.mesh.daemon('agent-1').kill('SIGKILL')
    e2e.mesh.startAgent(0)
    const [ended] = await e2e.ended(begun.id, 1, 120_000)

    expect(ended).toMatchObject({ state: 'succeeded', epoch: 1 })
    const log = await e2e.log(job)
    expect(log).toContain('first *** 39')
    expect(log).toContain('second ***')
    const gateway = await e2e.logOf('gateway')
    const releases = gateway.split('\n').filter((line) => line.includes('secrets released'))
    expect(releases.length).toBe(2)
    for (const line of releases) {
      expect(JSON.parse(line)).toMatchObject({
        job,
        epoch: 1,
        names: 'TOKEN',
        peer: e2e.peerIds[0]
      })
    }
    const encoded = Buffer.from(canary).toString('base64').slice(0, 40)
    for (const text of [canary, encoded, Buffer.from(canary).toString('hex')]) {
      expect(log).not.toContain(text)
      expect(await holding(text)).toBe('')
    }
    // The search finds what is there.
    expect(await holding('secrets released')).toContain('gateway')
    await e2e.clean()
  },
  TEST_MS
)

test(
  'a job whose secret is not set, or not for its branch, ends before its first step',
  async () => {
    secret(canary, 'set', 'RELEASE_KEY', '--repo', e2e.repository.name, '--branch', 'release/*')

    for (const [name, reason] of [
      ['ABSENT', 'set it with `gateway secret set`'],
      ['RELEASE_KEY', 'do not allow this branch']
    ] as const) {
      const begun = await e2e.push(pipeline(`[${name}]`, 'echo never'), name)
      const [ended] = await e2e.ended(begun.id, 1)
      expect(ended).toMatchObject({ state: 'errored', reason: 'policy_refused' })
      expect(JSON.stringify(ended)).toContain(reason)
      expect(await e2e.log(`${begun.id}.0`)).not.toContain('never')
    }
  },
  TEST_MS
)

test(
  'a login pulls what a job names it for, and a job without one does not get that image',
  async () => {
    const registry = await ImageRegistry.open({ user: 'ci', password: canary })
    onTestFinished(() => registry.close())
    const entries = await busyboxRoot()
    const wish = { platform: 'linux/amd64', entries: [...entries, markOf(registry.host)] }
    const { digest, imageId } = await registry.push('team/private', wish, '1')
    onTestFinished(async () => void (await Engine.local(undefined).removeImage(imageId)))
    const image = `${registry.host}/team/private:1`
    const login = ['--registry', registry.host, '--user', 'ci']
    secret(canary, 'set', 'PULL', '--repo', e2e.repository.name, ...login)

    const named = `{ PULL: { registry: '${registry.host}' } }`
    const begun = await e2e.push(pipelineIn(image, named, 'env; echo ran'), 'with')
    expect(await e2e.ended(begun.id, 1)).toMatchObject([{ state: 'succeeded' }])
    const log = await e2e.log(`${begun.id}.0`)
    expect(log).toContain(`image ${image} is ${digest}`)
    expect(log).toContain('ran')
    expect(await holding(canary)).toBe('')

    const without = await e2e.push(pipelineIn(image, '[]', 'echo ran'), 'without')
    expect(await e2e.ended(without.id, 1)).toMatchObject([
      { state: 'errored', reason: 'image_unavailable' }
    ])
  },
  TEST_MS
)

/** Makes the image one that no other test has. */
function markOf(text: string) {
  return { kind: 'file', path: 'mark', mode: 0o644, bytes: Buffer.from(text) } as const
}
