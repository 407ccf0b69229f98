import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { flaggedLevels } from '../../agent/probe/amd64-levels.ts'
import { provenPlatforms } from '../../agent/probe/proven-platforms.ts'
import { EngineProxy } from '../support/engine-proxy.ts'
import { temporaryFolder } from '../support/store-folder.ts'

const TEST_MS = 60_000
const REAL = '/var/run/docker.sock'
const EMULATED = ['linux/arm/v7', 'linux/arm64/v8', 'linux/riscv64']

let proxy: EngineProxy
let peerId: string

beforeEach(async () => {
  proxy = await EngineProxy.open(REAL)
  peerId = `test-${randomBytes(8).toString('hex')}`
})

afterEach(async () => {
  await proxy.close()
})

const proven = (root?: string) =>
  provenPlatforms({ engine: Engine.local(proxy.socket), peerId, busybox: '/bin/busybox' }, root)

/** Containers and images of this test's proofs. */
async function left(): Promise<number> {
  const docker = new Docker({ socketPath: REAL })
  const filters = { label: [`runner-mesh.trial=${peerId}`] }
  const containers = await docker.listContainers({ all: true, filters })
  return containers.length + (await docker.listImages({ all: true, filters })).length
}

// The hosts of these tests have an amd64 processor: deploy/engine-tests.sh gives them the others.
describe('the platforms of a host', { timeout: TEST_MS }, () => {
  test('are those whose programs ran in a container, emulated ones told apart', async () => {
    const { platforms, problems } = await proven()

    const emulated = platforms.filter(({ native }) => !native).map(({ name }) => name)
    expect(emulated).toEqual(EMULATED)
    expect(platforms.filter(({ native }) => native)).toEqual([{ name: 'linux/386', native: true }])
    expect(problems).toEqual([])
    expect(await left()).toBe(0)
  })

  test('have the level of its processors, as far as a program for it ran there', async () => {
    const levels = await flaggedLevels('/')
    const highest = levels.at(-1)
    expect(highest).toBeDefined()
    expect(await proven()).toMatchObject({ native: `linux/amd64/v${highest}`, problems: [] })

    // A host whose flags are hidden is the plain one.
    const root = await temporaryFolder()
    expect((await proven(root)).native).toBeUndefined()
  })

  test('have no level whose program fails, nor one above it: the cause is said', async () => {
    // As under a hypervisor that hides what the flags say: of the bits only the first is set.
    const change = ({ State, ...view }: { State: object }): object => {
      return { ...view, State: { ...State, ExitCode: 64 + 1 } }
    }
    const root = await temporaryFolder()
    await mkdir(join(root, 'proc'))
    await writeFile(join(root, 'proc/cpuinfo'), await readFile('/proc/cpuinfo'))
    proxy.treat = (call) => {
      return /GET .containers.[^/]+.json/.test(call) ? { kind: 'change', change } : undefined
    }
    const { native, problems } = await proven(root)

    expect(native).toBe('linux/amd64/v2')
    expect(problems).toMatchObject([
      { part: 'platforms', blocking: false, found: expect.stringContaining('x86-64-v3') }
    ])
    expect(await left()).toBe(0)
  })

  test('are its own alone where nothing is emulated', async () => {
    const { platforms, problems } = await proven(await temporaryFolder())

    expect(platforms).toEqual([{ name: 'linux/386', native: true }])
    expect(problems).toEqual([])
  })

  test('do not include one whose program fails: it is named, with a way out', async () => {
    const change = ({ State, ...view }: { State: object }): object => {
      return { ...view, State: { ...State, ExitCode: 0 } }
    }
    proxy.treat = (call) => {
      return /GET .containers.[^/]+.json/.test(call) ? { kind: 'change', change } : undefined
    }
    const { platforms, problems } = await proven()

    expect(platforms).toEqual([])
    expect(problems).toMatchObject([
      { part: 'platforms', found: expect.stringContaining('x86-64-v2') },
      {
        part: 'platforms',
        blocking: false,
        found: expect.stringContaining('programs for arm, arm64, riscv64'),
        fix: expect.stringContaining('qemu-user-static')
      }
    ])
    expect(await left()).toBe(0)
  })

  test('count as emulated where the kernel has a handler for them', async () => {
    const root = await temporaryFolder()
    const dir = join(root, 'proc/sys/fs/binfmt_misc')
    await mkdir(dir, { recursive: true })
    await writeFile(join(dir, 'status'), 'enabled\n')
    // The kernel would hand even what the processor could run to that handler.
    const magic = `7f454c46010101${'00'.repeat(9)}02000300`
    await writeFile(join(dir, 'x'), `enabled\ninterpreter /x\nflags: F\noffset 0\nmagic ${magic}\n`)

    expect((await proven(root)).platforms).toEqual([{ name: 'linux/386', native: false }])
  })

  test('that cannot be tried are not offered, and the cause is said', async () => {
    proxy.treat = (call) =>
      /start$/.test(call)
        ? { kind: 'answer', status: 500, message: 'no space left on device' }
        : undefined
    const { platforms, problems } = await proven()

    expect(platforms).toEqual([])
    expect(problems[0]?.found).toMatch(/is not known: no space left on device$/)
    expect(await left()).toBe(0)
  })
})
