import { describe, expect, test } from 'vitest'
import type { ContainerBody, ContainerView } from '../../../agent/execute/engine-types.ts'
import type { GpuParts } from '../../../agent/execute/gpu/gpu-parts.ts'
import { STANDARD } from '../../../agent/execute/profile-standard.ts'
import { differences } from '../../../agent/execute/read-back.ts'
import { containerBody } from '../../../agent/execute/sandbox-profile.ts'
import { SECCOMP_OPTION } from '../../../agent/execute/seccomp-filter.ts'

const GIB = 2 ** 30

/** What is asked for, by the profile that jobs get. */
const asked: ContainerBody = bodyWith()

function bodyWith(gpuParts?: GpuParts): ContainerBody {
  const request = {
    imageId: 'sha256:1',
    jobId: 'J.0',
    epoch: 3,
    claimId: 'c',
    peerId: 'p',
    storeId: 's',
    volume: 'v',
    leaseDir: '/leases/c',
    busybox: '/bin/busybox',
    guard: '/guard.sh',
    resources: { cpuMilli: 1_500, memoryBytes: GIB },
    gpuParts
  }
  return containerBody(STANDARD, request, {
    cgroup: 1,
    apparmor: true,
    cpus: 2,
    swapLimit: true,
    limits: { openFiles: Number.POSITIVE_INFINITY, processes: Number.POSITIVE_INFINITY },
    userBase: 0,
    runtime: 'runc'
  })
}

type Fields = Record<string, unknown>

/** What an engine that did as it was asked has stored: its own additions included. */
function stored(config: Fields = {}, hostConfig: Fields = {}, labels: Fields = {}): ContainerView {
  const { HostConfig, Labels, Env, ...rest } = asked
  return {
    id: 'x',
    running: false,
    pid: 0,
    exitCode: 0,
    labels: { maker: 'the image', ...Labels, ...labels } as Record<string, string>,
    config: { ...rest, Hostname: 'x', Env: [...Env, 'PATH=/bin'], Image: 'sha256:2', ...config },
    hostConfig: { ...HostConfig, Isolation: '', CpuRealtimePeriod: 0, ...hostConfig },
    mounts: HostConfig.Mounts.map(({ Target }) => Target),
    networks: {}
  }
}

const DEFAULTS: readonly unknown[] = [undefined, null, '', 0, false, [], {}]
const isDefault = (value: unknown): boolean =>
  DEFAULTS.some((other) => JSON.stringify(other) === JSON.stringify(value))

describe('a container that was read back', () => {
  test('as it was asked for shows no difference, whatever the engine adds', () => {
    expect(differences(asked, stored())).toEqual([])
  })

  test('may say nothing in other words than ours', () => {
    const view = stored(
      { Cmd: null, OpenStdin: undefined, Tty: undefined },
      { Devices: null, GroupAdd: undefined, PortBindings: null, VolumesFrom: [], UTSMode: null }
    )

    expect(differences(asked, view)).toEqual([])
  })

  test('may name its capabilities with their prefix, and in another order', () => {
    const names = ['SETUID', 'SETGID', 'KILL', 'FSETID', 'FOWNER', 'DAC_OVERRIDE', 'CHOWN']
    const view = stored({}, { CapAdd: names.map((name) => `CAP_${name}`), CapDrop: ['CAP_ALL'] })

    expect(differences(asked, view)).toEqual([])
  })

  const { HostConfig, Labels, Image: _image, Env: _env, ...config } = asked

  test.each(Object.entries(HostConfig).filter(([, value]) => !isDefault(value)))(
    'without HostConfig.%s is found out',
    (name) => {
      expect(differences(asked, stored({}, { [name]: undefined }))).toEqual([
        expect.stringMatching(new RegExp(`^HostConfig\\.${name} is absent, asked `))
      ])
    }
  )

  test.each(Object.entries(config).filter(([, value]) => !isDefault(value)))(
    'without Config.%s is found out',
    (name) => {
      expect(differences(asked, stored({ [name]: undefined }))).toEqual([
        expect.stringMatching(new RegExp(`^Config\\.${name} is absent, asked `))
      ])
    }
  )

  test.each(Object.keys(Labels))('without its label %s is found out', (name) => {
    expect(differences(asked, stored({}, {}, { [name]: 'other' }))).toHaveLength(1)
  })

  test.each<[string, Fields]>([
    ['privileges', { Privileged: true }],
    ['a capability more', { CapAdd: [...(HostConfig['CapAdd'] as string[]), 'SYS_ADMIN'] }],
    ['a capability instead of another', { CapAdd: swapped('CHOWN', 'SYS_ADMIN') }],
    ['no filter', { SecurityOpt: filtered('seccomp=unconfined') }],
    ["the engine's own filter", { SecurityOpt: filtered() }],
    ['a call more in its filter', { SecurityOpt: filtered(opened()) }],
    ['a device', { Devices: [{ PathOnHost: '/dev/sda' }] }],
    ['all GPUs', { DeviceRequests: [{ Driver: '', Count: -1, Capabilities: [['gpu']] }] }],
    ['a rule for devices', { DeviceCgroupRules: ['a *:* rwm'] }],
    ['a group more', { GroupAdd: ['0'] }],
    ['a path less that is hidden', { MaskedPaths: (HostConfig['MaskedPaths'] as []).slice(1) }],
    ['more memory', { Memory: 2 * GIB }],
    ['swap', { MemorySwap: 2 * GIB }],
    ['more processes', { PidsLimit: 4_096 }],
    ['no limit of processes', { PidsLimit: null }],
    ['more CPU', { NanoCpus: 4_000_000_000 }],
    ['another network', { NetworkMode: 'host' }],
    ['processes of the host', { PidMode: 'host' }],
    ['names of the host', { UTSMode: 'host' }],
    ['users of the host', { UsernsMode: 'host' }],
    ['memory of the host', { IpcMode: 'host' }],
    ['volumes of another', { VolumesFrom: ['other'] }],
    ['a published port', { PortBindings: { '80/tcp': [{ HostPort: '80' }] } }],
    ['all ports published', { PublishAllPorts: true }],
    ['a mount more', { Mounts: [...HostConfig.Mounts, { Type: 'bind', Source: '/' }] }],
    ['a mount to write', { Mounts: writable() }],
    ['a restart', { RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } }],
    ['a log', { LogConfig: { Type: 'json-file', Config: {} } }],
    ['a wider limit', { Ulimits: wider() }]
  ])('with %s is found out', (_, hostConfig) => {
    const [name = ''] = Object.keys(hostConfig)
    const [first, ...more] = differences(asked, stored({}, hostConfig))

    expect(first).toMatch(new RegExp(`^HostConfig\\.${name} is .*, asked `))
    expect(more).toEqual([])
  })

  test('with another filter is told in few words, by which they differ', () => {
    const view = stored({}, { SecurityOpt: filtered(opened()) })
    const [first = ''] = differences(asked, view)
    const said = first.match(/seccomp=[^(]*\(\d+ characters, SHA-256 [0-9a-f]{8}\)/g) ?? []

    expect(first.length).toBeLessThan(400)
    expect(new Set(said).size).toBe(2)
  })
})

/** The security options, with others for the filter. */
function filtered(...filters: string[]): string[] {
  const options = asked.HostConfig['SecurityOpt'] as string[]
  return [...options.filter((option) => !option.startsWith('seccomp=')), ...filters]
}

/** Our filter, with `mount` let through. */
function opened(): string {
  return SECCOMP_OPTION.replace('"mkdir"', '"mkdir","mount"')
}

function swapped(one: string, other: string): string[] {
  const names = asked.HostConfig['CapAdd'] as string[]
  return names.map((name) => (name === one ? other : name))
}

function writable(): object[] {
  return asked.HostConfig.Mounts.map((mount) => ({ ...mount, ReadOnly: false }))
}

function wider(): object[] {
  const limits = asked.HostConfig['Ulimits'] as { Name: string }[]
  return limits.map((limit) => (limit.Name === 'core' ? { ...limit, Soft: 1, Hard: 1 } : limit))
}

test('a mount that nobody asked for is found where the root is read-only, and only there', () => {
  const strict = { ...asked, HostConfig: { ...asked.HostConfig, ReadonlyRootfs: true } }
  const view = stored({}, { ReadonlyRootfs: true })
  const more = { ...view, mounts: [...view.mounts, '/data'] }

  expect(differences(strict, view)).toEqual([])
  expect(differences(strict, more)).toEqual(['Mounts has "/data", which was not asked'])
  expect(differences(asked, { ...stored(), mounts: more.mounts })).toEqual([])
})

describe('a container that was to get GPUs', () => {
  const nodes = ['/dev/kfd', '/dev/dri/renderD129'].map((path) => {
    return { PathOnHost: path, PathInContainer: path, CgroupPermissions: 'rw' as const }
  })
  const requests = [{ Driver: 'nvidia', DeviceIDs: ['GPU-1'], Capabilities: [['gpu']] }] as const
  const withGpus = bodyWith({ devices: nodes, requests, groups: ['109'], env: ['A_VISIBLE=1'] })
  const made = (hostConfig: Fields = {}, env = ['PATH=/bin', 'A_VISIBLE=1']): ContainerView => {
    const view = stored({ Env: env }, {})
    const asEngines = { Driver: 'nvidia', Count: 0, DeviceIDs: ['GPU-1'], Options: {} }
    const DeviceRequests = [{ ...asEngines, Capabilities: [['gpu']] }]
    const all = { ...withGpus.HostConfig, DeviceRequests, ...hostConfig }
    return { ...view, hostConfig: all }
  }

  test('and got those shows no difference', () => {
    expect(differences(withGpus, made())).toEqual([])
  })

  test.each<[string, Fields]>([
    ['another node', { Devices: [nodes[0], { ...nodes[1], PathOnHost: '/dev/dri/renderD128' }] }],
    ['one node in place of two', { Devices: [nodes[0], nodes[0]] }],
    ['a node more', { Devices: [...nodes, { ...nodes[1], PathOnHost: '/dev/dri/card0' }] }],
    [
      'the right to make nodes',
      { Devices: nodes.map((n) => ({ ...n, CgroupPermissions: 'rwm' })) }
    ],
    ['another GPU', { DeviceRequests: [{ ...requests[0], DeviceIDs: ['GPU-2'] }] }],
    ['all GPUs besides', { DeviceRequests: [{ ...requests[0], Count: -1 }] }],
    ['an option', { DeviceRequests: [{ ...requests[0], Options: { visible: 'all' } }] }],
    ['no GPU', { DeviceRequests: null }],
    ['another group', { GroupAdd: ['0'] }]
  ])('and got %s is found out', (_, hostConfig) => {
    const [name] = Object.keys(hostConfig)
    expect(differences(withGpus, made(hostConfig))).toEqual([
      expect.stringMatching(new RegExp(`^HostConfig\\.${name} is .*, asked `))
    ])
  })

  test.each([
    ["the image's word", ['A_VISIBLE=all']],
    ["the image's word beside ours", ['A_VISIBLE=1', 'A_VISIBLE=all']],
    ['nothing', []]
  ])('and whose variables say %s is found out', (_, env) => {
    expect(differences(withGpus, made({}, env))).toEqual([
      expect.stringMatching(/^Config\.Env has .*, asked "A_VISIBLE=1"$/)
    ])
  })
})
