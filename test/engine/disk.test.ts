import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { diskRoom } from '../../agent/execute/disk/disk-watchdog.ts'
import { LoopVolumes } from '../../agent/execute/disk/loop-volumes.ts'
import { Engine } from '../../agent/execute/engine.ts'
import { WORKSPACE_INSIDE } from '../../agent/execute/sandbox-profile.ts'
import { tryDisk } from '../../agent/probe/disk-trial.ts'
import { BASE_IMAGE } from '../../deploy/base-image.ts'
import { DISK_FILE_BYTES_MIN } from '../../protocol/core/volume-limits.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import { RemappedEngine } from '../support/remapped-engine.ts'
import { testImage } from '../support/test-image.ts'

const TEST_MS = 60_000
const CHILD = resolve(import.meta.dirname, '..', 'support', 'attempt-child.ts')
const MIB = 1_048_576
const DISK_MIB = 96
const resources = { cpuMilli: 1_000, memoryBytes: 256 * MIB, diskBytes: DISK_MIB * MIB }
const spec = { resources }

/** Files behind this host's loop devices. */
async function backingFiles(): Promise<readonly string[]> {
  const names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'))
  const files = names.map((name) =>
    readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '')
  )
  return (await Promise.all(files)).filter((file) => file !== '')
}

/** Whatever of a rig's file systems is still there. */
async function volumesLeft(rig: AttemptRig): Promise<readonly string[]> {
  const files = await readdir(rig.volumes).catch(() => [])
  const devices = (await backingFiles()).filter((file) => file.startsWith(rig.root))
  return [...files, ...devices]
}

describe('a workspace in a file system of its own', { timeout: TEST_MS }, () => {
  let rig: AttemptRig
  beforeAll(async () => {
    rig = await AttemptRig.open({ disk: 'loop' })
  })
  afterAll(async () => {
    await rig.close()
  })

  test('takes what the job asked for and no more: it ends for that, and says so', async () => {
    const write = `dd if=/dev/zero of=big bs=1M count=${2 * DISK_MIB}`
    const run = `code=0; ${write} || code=$?; wc -c <big; exit $code`
    const { result, lines } = await rig.run({ steps: [{ run }], spec })

    expect(result).toMatchObject({
      outcome: {
        state: 'failed',
        reason: 'disk_limit',
        exitCode: 1,
        message: expect.stringMatching(/filled the job's 96 MiB of disk, .*: raise resources\.disk/)
      }
    })
    const written = Number(lines.find(({ text }) => /^\d+$/.test(text))?.text) / MIB
    expect(written).toBeLessThanOrEqual(DISK_MIB)
    expect(written).toBeGreaterThan(DISK_MIB * 0.8)
    expect(lines.some(({ text }) => text.includes('No space left on device'))).toBe(true)
    expect(await rig.left()).toEqual([])
    expect(await volumesLeft(rig)).toEqual([])
  })

  test('ends for what its steps say where it is not full', async () => {
    const run = 'dd if=/dev/zero of=big bs=1M count=200 || true; rm big; exit 3'
    const { result } = await rig.run({ steps: [{ run }], spec })

    expect(result).toMatchObject({ outcome: { reason: 'exit_code', exitCode: 3 } })
  })

  test('has as many files as it can: too many are too much disk', async () => {
    const run = 'i=0; while mkdir d$i; do i=$((i + 1)); done; exit 4'
    const { result } = await rig.run({ steps: [{ run }], spec })

    expect(result).toMatchObject({ outcome: { reason: 'disk_limit', exitCode: 4 } })
  })

  test('has the source in it and nothing else', async () => {
    const { lines } = await rig.run({ steps: [{ run: 'ls -A' }] })

    expect(lines.map(({ text }) => text)).not.toContain('lost+found')
    expect(lines.map(({ text }) => text)).toContain('README.md')
  })

  test('does not hold a larger source, which is no fault of the host', async () => {
    const commit = await rig.git.commit({ 'big.bin': 'x'.repeat(80 * MIB) })
    const small = { resources: { ...resources, diskBytes: 64 * MIB } }
    const { result } = await rig.run({ commit, spec: small })

    expect(result).toMatchObject({
      kind: 'outcome',
      outcome: {
        state: 'errored',
        reason: 'source_unavailable',
        message: expect.stringContaining('64 MiB of disk that the job')
      }
    })
    expect(await volumesLeft(rig)).toEqual([])
  })

  test('that is full leaves a neighbour alone', async () => {
    const run = 'dd if=/dev/zero of=big bs=1M count=200 || echo full; sleep 60'
    const full = await rig.start({ steps: [{ run }], spec })
    await eventually('it is full', () => full.lines.some(({ text }) => text === 'full'))
    const write = 'dd if=/dev/zero of=big bs=1M count=32 && echo written'
    const { result, lines } = await rig.run({ steps: [{ run: write }], spec })
    full.abort('cancelled')
    await full.result

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(lines.map(({ text }) => text)).toContain('written')
    expect(await volumesLeft(rig)).toEqual([])
  })

  test('lets its device go by itself when the container is gone, whoever removes it', async () => {
    const attempt = await rig.start({ steps: [{ run: 'echo here; sleep 60' }], spec })
    await eventually('it runs', () => attempt.lines.some(({ text }) => text === 'here'))
    const mine = { 'runner-mesh.peer': rig.peerId }
    expect((await volumesLeft(rig)).length).toBe(3)
    for (const { id } of await rig.engine.containers(mine)) await rig.engine.remove(id)
    await attempt.result

    expect(await volumesLeft(rig)).toEqual([])
  })

  test('is counted with what is written beside it', async () => {
    const run = `dd if=/dev/zero of=/big bs=1M count=${DISK_MIB + 32}; sleep 60`
    const { result } = await rig.run({ steps: [{ run }], spec })

    expect(result).toMatchObject({
      outcome: { state: 'failed', reason: 'disk_limit', exitCode: undefined }
    })
    expect(await rig.left()).toEqual([])
  })
})

describe('a watchdog over a folder of the engine', { timeout: TEST_MS }, () => {
  let rig: AttemptRig
  beforeAll(async () => {
    rig = await AttemptRig.open({ disk: 'watch' })
  })
  afterAll(async () => {
    await rig.close()
  })

  test.each([`${WORKSPACE_INSIDE}/big`, '/big'])(
    'ends a job that writes too much to %s',
    async (file) => {
      const run = `dd if=/dev/zero of=${file} bs=1M count=${DISK_MIB + 32}; echo written; sleep 60`
      const attempt = await rig.start({ steps: [{ run }], spec })
      const { result: neighbour } = await rig.run({ steps: [{ run: 'echo here' }] })

      expect(await attempt.result).toMatchObject({
        outcome: { state: 'failed', reason: 'disk_limit', exitCode: undefined }
      })
      expect(neighbour).toMatchObject({ outcome: { state: 'succeeded' } })
      expect(await rig.left()).toEqual([])
    }
  )
})

describe('what the services of a job write', { timeout: TEST_MS }, () => {
  /** Writes more than the job may, to this file, and goes on. */
  const writer = (image: string, file: string) => {
    const write = `dd if=/dev/zero of=${file} bs=1M count=${DISK_MIB + 32}; sleep 600`
    return {
      ...{ name: 'writer', image, env: {}, secrets: [], command: ['sh', '-c', write] },
      resources: { cpuMilli: 500, memoryBytes: 64 * MIB },
      ready: { port: undefined, command: undefined, timeoutMs: 30_000 }
    }
  }

  test.each([
    ['loop', '/big'],
    ['watch', '/data/big']
  ] as const)('counts as the job’s own (%s, to %s)', async (disk, file) => {
    const rig = await AttemptRig.open({ disk })
    const image = 'runner-mesh/test-data:1'
    const config = { Volumes: { '/data': {} } }
    const remove = await testImage(rig.engine, { name: image, config })
    try {
      const services = [writer(image, file)]
      const steps = [{ run: 'sleep 60' }]
      const { result } = await rig.run({ steps, spec: { ...spec, services } })

      expect(result).toMatchObject({
        outcome: {
          state: 'failed',
          reason: 'disk_limit',
          message: expect.stringContaining("the job's 96 MiB of disk")
        }
      })
      expect(await rig.left()).toEqual([])
    } finally {
      await rig.close()
      await remove()
    }
  })

  test('in memory does not', async () => {
    const rig = await AttemptRig.open({ disk: 'watch' })
    try {
      const services = [writer(BASE_IMAGE, '/tmp/big')]
      const steps = [{ run: 'sleep 20' }]
      const { result } = await rig.run({
        ...{ trust: 'untrusted', steps },
        spec: { ...spec, services }
      })

      expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    } finally {
      await rig.close()
    }
  })
})

describe('a job that makes files without end, with nothing in them', { timeout: TEST_MS }, () => {
  /** Two for each that fits into its disk, as files count. */
  const files = (2 * DISK_MIB * MIB) / DISK_FILE_BYTES_MIN
  const run = (dir: string) => `mkdir ${dir}; cd ${dir}; seq ${files} | xargs touch; sleep 60`

  test.each([
    ['watch', `${WORKSPACE_INSIDE}/many`],
    ['watch', '/many'],
    ['loop', '/many']
  ] as const)('is ended for its disk (%s, in %s)', async (disk, dir) => {
    const rig = await AttemptRig.open({ disk })
    try {
      const { result } = await rig.run({ steps: [{ run: run(dir) }], spec })

      expect(result).toMatchObject({
        outcome: {
          state: 'failed',
          reason: 'disk_limit',
          exitCode: undefined,
          message: expect.stringContaining('4 KiB at least for each file')
        }
      })
      expect(await rig.left()).toEqual([])
    } finally {
      await rig.close()
    }
  })

  test('makes room on a disk that has bytes and no files left', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-files-'))
    const all = 2_000
    const size = `size=1g,nr_inodes=${all}`
    await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', dir])
    const rig = await AttemptRig.open({ disk: 'watch', space: () => diskRoom([dir]) })
    try {
      const roomy = await diskRoom([dir])
      expect(roomy.freeBytes).toBeGreaterThan(roomy.floorBytes)
      expect(roomy.freeBytes).toBeLessThan(all * DISK_FILE_BYTES_MIN)
      for (let at = 0; at < all - 10; at += 1) await writeFile(join(dir, String(at)), '')

      const wide = { resources: { ...resources, diskBytes: 900 * MIB } }
      const many = `mkdir many; cd many; seq 70000 | xargs touch; sleep 60`
      const { result } = await rig.run({ steps: [{ run: many }], spec: wide })
      expect(result).toMatchObject({
        kind: 'interrupted',
        fault: 'host',
        message: expect.stringContaining('in bytes or in files')
      })
    } finally {
      await rig.close()
      await promisify(execFile)('umount', [dir])
      await rm(dir, { recursive: true, force: true })
    }
  })
})

test('a job that takes most of a disk that is nearly full makes room, and is another host’s', {
  timeout: TEST_MS
}, async () => {
  const space = async () => ({ freeBytes: 10, floorBytes: 100 })
  const rig = await AttemptRig.open({ disk: 'watch', space })
  try {
    const wide = { resources: { ...resources, diskBytes: 900 * MIB } }
    const run = 'dd if=/dev/zero of=big bs=1M count=300; sleep 60'
    const small = await rig.start({ steps: [{ run: 'echo small; sleep 3' }] })
    const { result } = await rig.run({ steps: [{ run }], spec: wide })

    expect(result).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      fault: 'host',
      message: expect.stringMatching(
        /^the host had 0 MiB of disk left, in bytes or in files, and this job, with 3\d\d MiB/
      )
    })
    expect(await small.result).toMatchObject({ outcome: { state: 'succeeded' } })
  } finally {
    await rig.close()
  }
})

describe('on an engine whose root is nobody on the host', { timeout: 120_000 }, () => {
  let remapped: RemappedEngine
  let rig: AttemptRig
  beforeAll(async () => {
    remapped = await RemappedEngine.start()
    rig = await AttemptRig.open({ disk: 'loop', socket: remapped.socket })
  })
  afterAll(async () => {
    await rig?.close()
    await remapped?.stop()
  })

  test('a trial shows that file systems of a fixed size do, and leaves nothing', async () => {
    const { engine, peerId, volumes: folder } = rig
    const parts = { engine, peerId, busybox: '/bin/busybox', folder, limit: 'auto' } as const

    expect(await tryDisk(parts)).toEqual({ control: 'loop', problems: [] })
    expect(await volumesLeft(rig)).toEqual([])
  })

  test('a job’s root may write there, as much as it asked for', async () => {
    const run = 'ls -A; dd if=/dev/zero of=big bs=1M count=200'
    const { result, lines } = await rig.run({ steps: [{ run }], spec, trust: 'untrusted' })

    expect(result).toMatchObject({ outcome: { reason: 'disk_limit' } })
    expect(lines.map(({ text }) => text)).not.toContain('lost+found')
    expect(await volumesLeft(rig)).toEqual([])
  })
})

/** The root of a rig of that peer whose process was killed while its job ran. */
async function killed(peerId: string): Promise<string> {
  const child = spawn('node', ['--import', 'tsx', CHILD, peerId, '30000', 'loop'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      return line.split(' ')[3] ?? ''
    }
    throw new Error('the child ended before its job ran')
  } finally {
    child.kill('SIGKILL')
  }
}

describe('what processes before this one have left', { timeout: TEST_MS }, () => {
  test('by a kill in the middle of a job is there until it is reaped, and then gone', async () => {
    const peerId = `test-${randomBytes(8).toString('hex')}`
    const root = await killed(peerId)
    const rig = await AttemptRig.open({ disk: 'loop', peerId, root })
    try {
      expect((await volumesLeft(rig)).length).toBe(3)
      const reaped = await rig.executor.reap(async () => new Set())

      expect(reaped.length).toBe(1)
      expect(await rig.left()).toEqual([])
      expect(await volumesLeft(rig)).toEqual([])
    } finally {
      await rig.close()
    }
  })

  test('is removed, device and file, but for what somebody owns', async () => {
    const rig = await AttemptRig.open({ disk: 'loop' })
    try {
      const attempt = await rig.start({ steps: [{ run: 'echo here; sleep 60' }], spec })
      await eventually('it runs', () => attempt.lines.some(({ text }) => text === 'here'))
      const volumes = new LoopVolumes(rig.volumes)
      // Killed before the container was started, in the middle of making it, and right after that.
      await volumes.make('a'.repeat(32), 64 * MIB, 0)
      await promisify(execFile)('truncate', ['-s', '1M', `${rig.volumes}/${'b'.repeat(32)}.ext4`])
      await rig.executor.reap(async () => new Set())

      const left = await volumesLeft(rig)
      expect(left.filter((name) => /[ab]{32}/.test(name))).toEqual([])
      expect(left.length).toBe(3)
      attempt.abort('cancelled')
      expect(await attempt.result).toMatchObject({ left: undefined })
      expect(await volumesLeft(rig)).toEqual([])
    } finally {
      await rig.close()
    }
  })
})

test('an engine says how much a container wrote beside its volumes', async () => {
  const engine = Engine.local(undefined)
  await expect(engine.layer('runner-mesh-no-such-container')).rejects.toMatchObject({
    status: 404
  })
})
