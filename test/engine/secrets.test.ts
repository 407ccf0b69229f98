import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Docker from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WORKSPACE_INSIDE } from '../../agent/execute/sandbox-profile.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import { testImage } from '../support/test-image.ts'

const TEST_MS = 60_000
const IMAGE = 'runner-mesh-test-secrets:1'
const run = promisify(execFile)

let rig: AttemptRig
let removeImage: () => Promise<void>

beforeAll(async () => {
  rig = await AttemptRig.open()
  const folder = (path: string) => ({ kind: 'folder', path, mode: 0o755 }) as const
  const entries = [folder('run'), folder('run/secrets')]
  removeImage = await testImage(rig.engine, {
    name: IMAGE,
    entries,
    config: { User: '10001:10001' }
  })
})

afterAll(async () => {
  await rig.close()
  await removeImage()
})

const canary = (): string => `canary-${randomBytes(12).toString('hex')}`
const secrets = [
  { name: 'TOKEN', file: undefined },
  { name: 'KEY', file: '/run/secrets/key.pem' }
]

/** Files below these that hold one of the texts; what vanishes meanwhile is not there. */
async function holding(places: readonly string[], texts: readonly string[]): Promise<string[]> {
  const patterns = texts.flatMap((text) => ['-e', text])
  const grep = run('grep', ['-rlaF', ...patterns, ...places]).catch(
    (error: { stdout?: string }) => ({ stdout: error.stdout ?? '' })
  )
  return (await grep).stdout.split('\n').filter((line) => line !== '')
}

async function commandLines(): Promise<string> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = pids.map((pid) => readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => ''))
  return (await Promise.all(lines)).join('\n')
}

/** What the engine keeps of a container: its own files, its layer, and what runs it. */
async function placesOf(container: string): Promise<readonly string[]> {
  const docker = new Docker({ socketPath: rig.engine.socket })
  const { Id, GraphDriver } = await docker.getContainer(container).inspect()
  const { rootDir } = await rig.engine.info()
  const layer = Object.values(GraphDriver.Data as Record<string, string>).flatMap((path) =>
    path.split(':')
  )
  return [join(rootDir, 'containers', Id), ...layer, '/run/docker', '/run/containerd']
}

test('what a job is given is nowhere but with the job, while it runs and afterwards', {
  timeout: TEST_MS
}, async () => {
  const [token, key] = [canary(), `-----BEGIN-----\n${canary()}\n-----END-----`]
  const texts = [token, key.split('\n')[1] ?? '']
  const script = [
    'echo "token $TOKEN"',
    'printf %s "$TOKEN" | base64 >&2',
    'cat /run/secrets/key.pem',
    'stat -c "%a %u" /run/secrets/key.pem',
    'echo ready',
    'while [ ! -e ./go ]; do sleep 0.1; done'
  ].join('\n')
  const since = Math.floor(Date.now() / 1_000)
  const attempt = await rig.start({
    spec: { secrets, image: IMAGE },
    secrets: { TOKEN: token, KEY: key },
    steps: [{ run: script }, { run: 'echo "again $TOKEN"; exit 3' }]
  })
  const isReady = (): boolean => attempt.lines.some(({ text }) => text === 'ready')
  await eventually('the job is ready', isReady, 30_000)
  const name = rig.executor.containerName(attempt.input.jobId)
  const docker = new Docker({ socketPath: rig.engine.socket })
  const places = await placesOf(name)

  const inspected = JSON.stringify(await docker.getContainer(name).inspect())
  const running = { found: await holding(places, texts), lines: await commandLines() }
  await rig.engine.exec({
    ...{
      container: name,
      command: ['/bin/touch', 'go'],
      env: [],
      user: '0',
      workdir: WORKSPACE_INSIDE
    },
    onOutput: () => undefined
  })
  const result = await attempt.result
  const until = Math.ceil(Date.now() / 1_000) + 1
  const events = await docker.getEvents({ since, until })
  let reported = ''
  for await (const part of events as AsyncIterable<Buffer>) reported += part.toString()
  const { rootDir } = await rig.engine.info()
  const left = await holding([join(rootDir, 'containers'), rig.root], texts)

  expect(attempt.lines.map(({ text }) => text)).toEqual(
    expect.arrayContaining(['token ***', '***', '400 10001', 'again ***'])
  )
  expect(result).toMatchObject({ outcome: { state: 'failed', exitCode: 3 } })
  const said = JSON.stringify([attempt.lines, result])
  for (const text of texts) {
    expect(said).not.toContain(text)
    expect(said).not.toContain(Buffer.from(text).toString('base64').slice(0, -4))
    expect(inspected).not.toContain(text)
    expect(reported).not.toContain(text)
    expect(running.lines).not.toContain(text)
  }
  // The events of this container are there: the search is not of an empty text.
  expect(reported).toContain(attempt.input.claimId)
  expect([running.found, left]).toEqual([[], []])
})

test.each(['trusted', 'untrusted'] as const)(
  'an image with a folder of root where secrets are is given them, %s',
  async (trust) => {
    const { result, lines } = await rig.run({
      trust,
      spec: { secrets, image: IMAGE },
      secrets: { TOKEN: canary(), KEY: canary() },
      steps: [{ run: 'stat -c "%a %u" /run/secrets /run/secrets/key.pem' }]
    })

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(lines.map(({ text }) => text)).toEqual(expect.arrayContaining(['1777 0', '400 10001']))
    expect(await rig.left()).toEqual([])
  }
)

test('a refused secret ends the job before any of its steps, and says why', async () => {
  const { result } = await rig.run({
    spec: { secrets },
    releaseSecrets: () => {
      throw new MeshError('SECRET_REFUSED', { name: 'TOKEN', reason: 'branch' })
    }
  })

  expect(result).toMatchObject({
    outcome: {
      state: 'errored',
      reason: 'policy_refused',
      message: expect.stringContaining('secret TOKEN is not given to this job: its rules'),
      steps: [{ state: 'not_run' }]
    }
  })
  expect(await rig.left()).toEqual([])
})

test('a gateway that is away gives the job back', async () => {
  const { result } = await rig.run({
    spec: { secrets },
    releaseSecrets: () =>
      Promise.reject(new MeshError('SECRETS_UNAVAILABLE', { gateway: 'basalt', cause: 'away' }))
  })

  expect(result).toMatchObject({ kind: 'interrupted', userCodeRan: false, fault: 'job' })
})

test('a job without secrets asks for none', async () => {
  const { result } = await rig.run({
    releaseSecrets: () => Promise.reject(new Error('asked'))
  })

  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
})
