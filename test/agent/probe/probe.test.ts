import { execFileSync } from 'node:child_process'
import { release, totalmem } from 'node:os'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { EngineInfo } from '../../../agent/execute/engine-types.ts'
import type { HostProblem, ProbeSettings } from '../../../agent/probe/host-profile.ts'
import { engineProblems, probeHost } from '../../../agent/probe/probe.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const KERNEL = '6.12.1'

const INFO: EngineInfo = {
  version: '20.10.24',
  apiVersion: '1.41',
  os: 'linux',
  architecture: 'x86_64',
  kernel: KERNEL,
  cgroup: 2,
  cgroupDriver: 'systemd',
  cpus: 1,
  memoryBytes: 2 ** 30,
  storageDriver: 'overlay2',
  rootDir: '/',
  unenforced: [],
  swapLimit: true,
  liveRestore: false,
  security: new Set(['seccomp']),
  runtimes: [{ name: 'runc', program: 'runc' }],
  defaultRuntime: 'runc',
  cdiDevices: [],
  cdiFolders: []
}

const brief = (problems: readonly HostProblem[]) =>
  problems.map(({ part, blocking, found }) => [part, blocking, found])

test('an engine that filters, limits and shares our kernel is no problem', () => {
  expect(engineProblems(INFO, KERNEL)).toEqual([])
})

test.each<[string, Partial<EngineInfo>, string, boolean, RegExp]>([
  ['no filter', { security: new Set(['apparmor']) }, 'seccomp', true, /filters no system calls/],
  ['another kernel', { kernel: '5.10' }, 'engine', true, /kernel 5\.10, this host on 6\.12\.1/],
  ['no memory limit', { unenforced: ['memory'] }, 'engine', true, /cannot limit memory/],
  ['no pids limit', { unenforced: ['pids'] }, 'engine', true, /cannot limit pids/],
  ['no cpu limit', { unenforced: ['cpu'] }, 'engine', true, /cannot limit cpu/],
  [
    'another default runtime',
    { runtimes: [{ name: 'safe', program: '/usr/bin/runsc' }], defaultRuntime: 'safe' },
    'runtime',
    true,
    /default runtime is safe, and jobs run in runc/
  ],
  [
    "NVIDIA's default runtime",
    {
      runtimes: [{ name: 'nvidia', program: '/usr/bin/nvidia-container-runtime' }],
      defaultRuntime: 'nvidia'
    },
    'runtime',
    false,
    /default runtime is nvidia: it hands each GPU that an image names/
  ],
  ['swap not counted', { swapLimit: false }, 'engine', false, /does not count swap/]
])('an engine with %s is said to be so, with a way out', (_name, change, part, blocking, found) => {
  const problems = engineProblems({ ...INFO, ...change }, KERNEL)

  expect(problems).toHaveLength(1)
  expect(problems[0]).toMatchObject({ part, blocking })
  expect(problems[0]?.found).toMatch(found)
  expect(problems[0]?.fix).toMatch(/\w+ \w+/)
})

test('all that is wrong with an engine is said at once', () => {
  const worst = { security: new Set<string>(), kernel: 'x', unenforced: ['memory', 'cpu'] }

  expect(engineProblems({ ...INFO, ...worst, swapLimit: false }, KERNEL)).toHaveLength(5)
})

let state: string
beforeEach(async () => {
  state = await temporaryFolder()
})

const NO_BUILDER = { part: 'builder', blocking: false, found: 'no namespace', fix: 'x' }
const untried = (): Promise<never> => Promise.reject(new Error('nothing is to be tried'))

function probe(change: Partial<EngineInfo> = {}, settings: Partial<ProbeSettings> = {}) {
  return probeHost({
    engine: { info: async () => ({ ...INFO, kernel: release(), ...change }) },
    // Without a busybox there is nothing to start.
    ...{ trial: untried, others: untried, tryDisk: untried, tryRuntimes: untried },
    // The shell of this host: any program that is no busybox.
    settings: { capacity: {}, state, busybox: '/bin/sh', ...settings }
  })
}

test('a host is what its engine has, never more than the machine', async () => {
  const small = await probe({ cpus: 1, memoryBytes: 2 ** 20 * 100 })
  const large = await probe({ cpus: 100_000, memoryBytes: 2 ** 60 })

  expect(small.capacity).toMatchObject({ cpuMilli: 1_000, memoryBytes: 90 * 2 ** 20, jobs: 1 })
  expect(large.capacity.cpuMilli).toBeLessThan(100_000_000)
  expect(large.capacity.memoryBytes).toBeLessThanOrEqual(totalmem())
  expect(small.platforms).toEqual([{ name: 'linux/amd64', native: true }])
  expect(small.engine).toEqual({
    version: '20.10.24',
    apiVersion: '1.41',
    cgroup: 2,
    storageDriver: 'overlay2',
    rootDir: '/',
    seccomp: true
  })
})

test.each([
  [['seccomp'], '/', undefined, 'runc', []],
  [['seccomp'], '/', 'userns', 'runc', ['isolation']],
  [['seccomp', 'userns'], '/x/100000.100000', 'userns', 'userns', []],
  [['seccomp', 'userns'], '/x/100000.100000', 'gvisor', 'userns', ['isolation']]
] as const)(
  'an engine with %j under %s, where %s is required, offers %s',
  async (names, rootDir, requireIsolation, offered, said) => {
    const { isolation, problems } = await probe(
      { security: new Set(names), rootDir },
      { requireIsolation }
    )

    expect(isolation.now).toEqual({ offered, levels: [], required: requireIsolation })
    const lines = problems.filter(({ part }) => part === 'isolation')
    expect(lines.map(({ part }) => part)).toEqual(said)
    // What trusted jobs need is there all the same.
    expect(lines.every(({ blocking }) => !blocking)).toBe(true)
  }
)

test('without an engine there is nothing to probe', async () => {
  const gone = new MeshError('ENGINE_UNREACHABLE', { socket: '/x', cause: 'ENOENT' })
  const settings = { capacity: {}, state, busybox: '/bin/sh' }

  const engine = { info: () => Promise.reject(gone) }
  const parts = {
    engine,
    settings,
    trial: untried,
    others: untried,
    tryDisk: untried,
    tryRuntimes: untried
  }
  await expect(probeHost(parts)).rejects.toBe(gone)
})

test('the version of git is known; without git no job may be taken', async () => {
  const version = /\d+\.\d+(\.\d+)?/.exec(execFileSync('git', ['--version'], { encoding: 'utf8' }))
  const { git, problems } = await probe()
  expect(git).toBe(version?.[0])
  expect(problems.map(({ part }) => part)).not.toContain('git')

  vi.stubEnv('PATH', await temporaryFolder())
  onTestFinished(() => void vi.unstubAllEnvs())
  const without = await probe()

  expect(without.git).toBe('')
  const missing = without.problems.filter(({ part }) => part === 'git')
  expect(brief(missing)).toEqual([['git', true, 'git cannot be run']])
})

test.each([
  ['state folder', {}, { state: '/proc' }],
  ["engine's folder", { rootDir: '/proc' }, {}]
])(
  'a %s on a full disk is said, but keeps nobody from small jobs',
  async (_name, change, settings) => {
    // The file system of /proc has no room at all.
    const { problems, diskFreeBytes } = await probe(change, settings)

    const low = problems.filter(({ part }) => part === 'disk')
    expect(low).toMatchObject([{ blocking: false }])
    expect(low[0]?.found).toMatch(/^0 MiB of disk are free for /)
    expect(await diskFreeBytes()).toBe(0)
  }
)

test('disk that cannot be looked at counts as none, or as the other one', async () => {
  const nowhere = await probe({ rootDir: '/nowhere' }, { state: '/nowhere/either' })
  expect(await nowhere.diskFreeBytes()).toBe(0)

  const known = await probe({ rootDir: '/nowhere' })
  expect(await known.diskFreeBytes()).toBeGreaterThan(0)
})

test.each<[string, Set<string>, number]>([
  ['one that filters', new Set(['seccomp']), 1],
  ['not one that cannot filter', new Set(), 0]
])('an engine is tried: %s; what that shows is a problem', async (_which, security, times) => {
  const shown = { part: 'seccomp', blocking: true, found: 'it does not take it', fix: 'update it' }
  const trial = vi.fn(async () => shown)
  const host = await probeHost({
    engine: { info: async () => ({ ...INFO, kernel: release(), security }) },
    settings: { capacity: {}, state, busybox: '/bin/busybox' },
    trial,
    others: untried,
    tryDisk: untried,
    tryRuntimes: untried
  })

  expect(trial).not.toHaveBeenCalled()
  await host.trial()

  const { problems } = host
  expect(trial).toHaveBeenCalledTimes(times)
  expect(problems.filter((problem) => problem === shown)).toHaveLength(times)
  expect(problems.filter(({ part }) => part === 'seccomp')).toHaveLength(1)
})

test('what the other runtimes show is offered, or a problem, once they were tried', async () => {
  const refused = { part: 'runtime', blocking: false, found: 'kata lies', fix: 'take it out' }
  const answered = Promise.withResolvers<void>()
  const offered = [{ name: 'runsc', class: 'gvisor' }] as const
  const host = await probeHost({
    engine: { info: async () => ({ ...INFO, kernel: release() }) },
    settings: { capacity: {}, state, busybox: '/bin/busybox' },
    trial: untried,
    others: untried,
    tryDisk: untried,
    tryRuntimes: async () => {
      await answered.promise
      return { offered, problems: [refused] }
    }
  })
  const tried = host.tryRuntimes(3_000, new AbortController().signal)
  expect([host.isolation.runtimes, host.isTrying()]).toEqual([[], true])

  answered.resolve()
  await tried

  expect([host.isolation.runtimes, host.isTrying()]).toEqual([offered, false])
  expect(host.problems).toContain(refused)
})

test('what else runs here is tried once the trial has shown nothing that keeps jobs away', async () => {
  const arm = { name: 'linux/arm64/v8', native: false }
  const soft = { part: 'disk', blocking: false, found: 'nobody looks', fix: 'look' }
  const weak = { part: 'platforms', blocking: false, found: 'riscv64 fails', fix: 'reinstall it' }
  const host = await probeHost({
    engine: { info: async () => ({ ...INFO, kernel: release() }) },
    settings: { capacity: {}, state, busybox: '/bin/busybox' },
    trial: async () => undefined,
    others: async () => ({ platforms: [arm], native: 'linux/amd64/v3', problems: [weak] }),
    tryDisk: async () => ({ control: 'loop', problems: [soft] }),
    tryRuntimes: untried
  })
  const { platforms } = host
  expect(platforms).toEqual([{ name: 'linux/amd64', native: true }])
  expect(host.disk()).toBe('watch')

  await host.trial()

  // The same list: whoever took it before the trial offers what that has shown.
  expect(platforms).toEqual([{ name: 'linux/amd64/v3', native: true }, arm])
  expect(host.problems).toContain(weak)
  expect([host.disk(), host.problems.includes(soft)]).toEqual(['loop', true])
})

test('all that is wrong is found in one look', async () => {
  const { problems } = await probe({ security: new Set(), cpus: 1 }, { state: '/proc' })

  expect(new Set(problems.map(({ part }) => part))).toEqual(new Set(['seccomp', 'busybox', 'disk']))
  expect(problems.filter(({ blocking }) => blocking).map(({ part }) => part)).toEqual([
    'seccomp',
    'busybox'
  ])
})

test.each<[string, (() => Promise<HostProblem | undefined>) | undefined, boolean, number]>([
  ['the owner does not offer it', undefined, false, 0],
  ['nothing stands against it', () => Promise.resolve(undefined), true, 0],
  ['its trial fails', () => Promise.resolve(NO_BUILDER), false, 1]
])('whether images may be built is known after the trial: %s', async (_, tryBuilder, may, said) => {
  const host = await probeHost({
    engine: { info: async () => ({ ...INFO, kernel: release() }) },
    settings: { capacity: {}, state, busybox: '/bin/busybox' },
    trial: () => Promise.resolve(undefined),
    others: () => Promise.resolve({ platforms: [], problems: [] }),
    tryDisk: async () => ({ control: 'watch', problems: [] }),
    tryRuntimes: untried,
    tryBuilder
  })

  expect(host.offersBuilder()).toBe(false)
  await host.trial()
  expect(host.offersBuilder()).toBe(may)
  expect(host.problems.filter((problem) => problem === NO_BUILDER)).toHaveLength(said)
})
