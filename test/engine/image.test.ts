import Docker from 'dockerode'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig } from '../support/attempt-rig.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import { type TestImageWish, testImage } from '../support/test-image.ts'

const TEST_MS = 60_000

let rig: AttemptRig
const removals: (() => Promise<void>)[] = []

beforeAll(async () => {
  rig = await AttemptRig.open()
})

afterEach(async () => {
  for (const remove of removals.splice(0)) await remove()
})

afterAll(async () => {
  await rig.close()
})

/** Opens a registry and gives its name. */
async function registry(status: number, code: string): Promise<string> {
  const opened = await FakeRegistry.open(status, code, `said with ${status}`)
  removals.push(() => opened.close())
  return opened.host
}

async function image(wish: TestImageWish): Promise<string> {
  removals.push(await testImage(rig.engine, wish))
  return wish.name
}

function file(path: string, text: string) {
  return { kind: 'file', path, mode: 0o644, bytes: Buffer.from(text) } as const
}

describe('an image', { timeout: TEST_MS }, () => {
  test.each([
    [404, 'MANIFEST_UNKNOWN'],
    [404, 'NAME_UNKNOWN'],
    [403, 'DENIED']
  ])('that its registry does not give (%i %s): errored, with the cause', async (status, code) => {
    const name = `${await registry(status, code)}/team/absent:1`
    const { result, lines } = await rig.run({ spec: { image: name } })

    expect(result).toMatchObject({
      outcome: { state: 'errored', reason: 'image_unavailable', steps: [{ state: 'not_run' }] }
    })
    expect(result).toHaveProperty(
      'outcome.message',
      expect.stringContaining(`image ${name} is not on this host and cannot be pulled: `)
    )
    expect(lines).toEqual([{ step: 0, stream: 'mesh', text: `pulling image ${name}` }])
    expect(await rig.left()).toEqual([])
  })

  test('whose registry is away, fails or is too busy is left to another host', async () => {
    const failing = await registry(500, 'UNKNOWN')
    const busy = await registry(429, 'TOOMANYREQUESTS')
    for (const host of ['registry.invalid', '127.0.0.1:1', failing, busy]) {
      const { result } = await rig.run({ spec: { image: `${host}/team/absent:1` } })

      expect(result, host).toMatchObject({
        kind: 'interrupted',
        reason: 'image_unavailable',
        fault: 'job',
        userCodeRan: false
      })
    }
    expect(await rig.left()).toEqual([])
  })

  test('that names another call of the engine is no image', async () => {
    const { result } = await rig.run({ spec: { image: '../containers/json?all=1#' } })

    expect(result).toMatchObject({ outcome: { reason: 'image_unavailable' } })
    expect(result).toHaveProperty('outcome.message', expect.stringContaining('no image name'))
  })

  test('that is here for another platform alone is not run', async () => {
    const name = await image({ name: 'runner-mesh-test/foreign:1', platform: 'linux/s390x' })
    const { result } = await rig.run({ spec: { image: name } })

    expect(result).toMatchObject({ reason: 'image_unavailable', userCodeRan: false })
    expect(result).toHaveProperty('message', expect.stringContaining('here for linux/s390x'))
  })

  test('without a shell: the step could not start, and the message says what is needed', async () => {
    const name = await image({
      name: 'runner-mesh-test/bare:1',
      bare: true,
      entries: [{ kind: 'folder', path: 'data', mode: 0o755 }]
    })
    const { result } = await rig.run({ spec: { image: name }, steps: [{ name: 'a', run: 'true' }] })

    expect(result).toMatchObject({
      outcome: { state: 'errored', reason: 'step_not_started', steps: [{ state: 'not_run' }] }
    })
    expect(result).toHaveProperty(
      'outcome.message',
      expect.stringMatching(/^step "a" could not start: .*the image needs \/bin\/sh$/)
    )
    expect(await rig.left()).toEqual([])
  })

  test('with a user of its own: its steps own the source and have no capabilities', async () => {
    const entries = [
      file('etc/passwd', 'root:x:0:0::/root:/bin/sh\nbuilder:x:1234:4321::/tmp:/bin/sh\n'),
      file('etc/group', 'root:x:0:\nbuilders:x:4321:\n')
    ]
    const config = { User: 'builder' }
    const name = await image({ name: 'runner-mesh-test/user:1', entries, config })
    const commit = await rig.git.commit({ 'dir/file': 'x\n', link: { link: '/etc/passwd' } })
    const run =
      'id -u; id -g; stat -c %u:%g . dir dir/file .git/HEAD link; touch new; ' +
      'grep CapEff /proc/self/status; stat -c %u /etc/passwd'
    const { result, lines } = await rig.run({ spec: { image: name }, commit, steps: [{ run }] })

    const owner = '1234:4321'
    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(lines.map((line) => line.text)).toEqual([
      '1234',
      '4321',
      ...[owner, owner, owner, owner, owner],
      'CapEff:\t0000000000000000',
      '0'
    ])
  })

  test('decides nothing about the box: neither entry point nor checks, volumes or folders', async () => {
    const config = {
      Entrypoint: ['/bin/false'],
      Healthcheck: { Test: ['CMD', '/bin/touch', '/tmp/checked'], Interval: 1_000_000_000 },
      Volumes: { '/data': {} },
      WorkingDir: '/nowhere',
      Labels: { 'runner-mesh.peer': 'somebody' },
      Env: ['PATH=/bin', 'RUNNER_MESH_JOB=forged', 'ENV=/work/evil.sh']
    }
    const entries = [{ kind: 'link', path: '.runner-mesh', target: '/tmp' }] as const
    const name = await image({ name: 'runner-mesh-test/hostile:1', config, entries })
    const before = await volumeNames()
    const run = 'pwd; echo $RUNNER_MESH_JOB; sleep 2; ls /tmp/checked || echo unchecked'
    const { result, lines, input } = await rig.run({ spec: { image: name }, steps: [{ run }] })

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    const text = lines.filter((line) => line.stream === 'out').map((line) => line.text)
    expect(text).toEqual(['/work', input.jobId, 'unchecked'])
    expect(await rig.left()).toEqual([])
    expect(await volumeNames(before)).toEqual([])
  })
})

/** Nameless volumes of the engine, without those of `before`. */
async function volumeNames(before: readonly string[] = []): Promise<readonly string[]> {
  const docker = new Docker({ socketPath: rig.engine.socket })
  const found = await docker.listVolumes()
  return (found.Volumes ?? [])
    .map((volume) => volume.Name)
    .filter((name) => /^[0-9a-f]{64}$/.test(name) && !before.includes(name))
}
