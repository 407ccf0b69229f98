import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { busyboxRoot } from '../../deploy/base-image.ts'
import { AttemptRig, type AttemptWish } from '../support/attempt-rig.ts'
import { testImage } from '../support/test-image.ts'

const TEST_MS = 30_000
const MIB = 1_048_576
const IMAGE = 'runner-mesh-test/strict:1'

let rig: AttemptRig
let removeImage = (): Promise<void> => Promise.resolve()

beforeAll(async () => {
  rig = await AttemptRig.open()
  // Of an image whose places are root's own: what a job can write to must not depend on it.
  const roots = (await busyboxRoot()).filter(({ path }) => path !== 'tmp')
  const folders = ['tmp', 'run', 'home', 'home/job'].map((path) => {
    return { kind: 'folder', path, mode: 0o755 } as const
  })
  removeImage = await testImage(rig.engine, {
    name: IMAGE,
    bare: true,
    entries: [...roots, ...folders],
    config: { User: '0:0' }
  })
})

afterAll(async () => {
  await removeImage()
  await rig.close()
})

async function said(run: string, wish: AttemptWish = {}): Promise<string[]> {
  const spec = { image: IMAGE, ...wish.spec }
  const { lines, result } = await rig.run({ steps: [{ run }], trust: 'untrusted', ...wish, spec })
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  return lines.filter(({ step }) => step > 0).map(({ text }) => text)
}

describe("a stranger's job", { timeout: TEST_MS }, () => {
  test('is nobody in particular, whatever its image says, and has no capability', async () => {
    const [ids, ...status] = await said('id -u; grep -E "^Cap|NoNewPrivs" /proc/self/status')

    expect(ids).toBe('10001')
    expect(status).toEqual([
      ...['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => `Cap${set}:\t0000000000000000`),
      'NoNewPrivs:\t1'
    ])
  })

  test('writes to its own places only, and owns what it was given', async () => {
    const places = ['/work', '/tmp', '/run', '$HOME', '/dev/shm']
    const others = ['/', '/etc', '/bin', '/home', '/.runner-mesh', '/.runner-mesh/lease', '/dev']
    const lines = await said(
      [
        `for p in ${places.join(' ')}; do touch $p/own && echo "$p"; done`,
        `for p in ${others.join(' ')}; do touch $p/own 2>/dev/null && echo "wrote to $p"; done`,
        'stat -c "%u %a" /work README.md; echo "$PWD"',
        'printf "#!/bin/sh\\necho runs\\n" >$HOME/tool; chmod +x $HOME/tool; $HOME/tool'
      ].join('\n')
    )

    expect(lines).toEqual([
      ...['/work', '/tmp', '/run', '/home/job', '/dev/shm'],
      ...['10001 755', '10001 644', '/work', 'runs']
    ])
  })

  test('may set HOME for itself', async () => {
    expect(await said('echo "$HOME"', { spec: { env: { HOME: '/tmp' } } })).toEqual(['/tmp'])
  })

  test('can neither signal its guard nor open its memory', async () => {
    const lines = await said(
      [
        'for s in TERM KILL STOP HUP; do kill -$s 1 2>/dev/null && echo "sent $s"; done',
        '(: >/proc/1/mem) 2>/dev/null && echo "opened it"',
        'grep -E "^(State|Uid)" /proc/1/status'
      ].join('\n')
    )

    expect(lines).toEqual([
      expect.stringMatching(/^State:\t[SR] /),
      'Uid:\t10002\t10002\t10002\t10002'
    ])
  })

  test('fills its own places, and no disk of the host', async () => {
    const resources = { cpuMilli: 1_000, memoryBytes: 32 * MIB }
    const run =
      'dd if=/dev/zero of=/run/x bs=1M count=64 2>&1 | grep -o "No space left"; stat -c %s /run/x'

    expect(await said(run, { spec: { resources } })).toEqual(['No space left', String(16 * MIB)])
  })

  test('ends as out of memory where it fills more than its memory', async () => {
    const resources = { cpuMilli: 1_000, memoryBytes: 32 * MIB }
    const steps = [{ run: 'cat /dev/zero >/tmp/a; sleep 60' }]
    const { result } = await rig.run({ steps, trust: 'untrusted', spec: { resources } })

    expect(result).toMatchObject({ outcome: { state: 'failed', reason: 'oom_killed' } })
  })

  test('whose source does not fit into its memory ends with that, and no host rests for it', async () => {
    const commit = await rig.git.commitTree(async (dir) => {
      await writeFile(join(dir, 'large'), Buffer.alloc(48 * MIB, 1))
    })
    const resources = { cpuMilli: 1_000, memoryBytes: 32 * MIB }
    const { result } = await rig.run({ commit, trust: 'untrusted', spec: { resources } })

    expect(result).toMatchObject({
      outcome: { state: 'errored', reason: 'source_unavailable' }
    })
    expect(result).toHaveProperty(
      'outcome.message',
      expect.stringMatching(/does not fit into the 32 MiB of .*memory/)
    )
  })

  test('leaves no container and no volume', async () => {
    await said('touch /tmp/x')

    expect(await rig.left()).toEqual([])
  })

  test("is made of what the profile says, as the engine's own words show", async () => {
    const attempt = await rig.start({ steps: [{ run: 'echo on; sleep 30' }], trust: 'untrusted' })
    const name = rig.executor.containerName(attempt.input.jobId)
    await attempt.phase('first_line')
    const stored = await rig.engine.inspect(name)
    attempt.abort('cancelled')
    await attempt.result

    expect(stored?.labels['runner-mesh.profile']).toBe('strict')
    expect(stored?.config).toMatchObject({ User: '10002:10002' })
    expect(stored?.hostConfig).toMatchObject({
      ReadonlyRootfs: true,
      Privileged: false,
      CapDrop: ['ALL'],
      UsernsMode: ''
    })
    expect(stored?.hostConfig['CapAdd'] ?? []).toEqual([])
  })
})

test(
  'where the owner wants more than the engine gives, a stranger gets no box at all',
  async () => {
    const demanding = await AttemptRig.open({ requireIsolation: 'userns' })
    try {
      const strangers = await demanding.run({ trust: 'untrusted' })
      const own = await demanding.run()

      expect(strangers.result).toMatchObject({
        kind: 'interrupted',
        reason: 'policy_refused',
        userCodeRan: false,
        message: expect.stringContaining('the job needs isolation userns')
      })
      expect(strangers.stages).not.toContain('create')
      expect(own.result).toMatchObject({ outcome: { state: 'succeeded' } })
    } finally {
      await demanding.close()
    }
  },
  TEST_MS
)
