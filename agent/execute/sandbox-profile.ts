import { PIDS_MAX } from '../../protocol/core/limits.ts'
import type { Resources } from '../../protocol/core/run.ts'
import type { DiskVolume } from './disk/job-disk.ts'
import type { ContainerBody, Mount } from './engine-types.ts'
import { gpuLabels } from './gpu/gpu-label.ts'
import { type GpuParts, NO_GPU_PARTS } from './gpu/gpu-parts.ts'
import type { LeasedGpu } from './gpu/leased-gpu.ts'
import {
  BUSYBOX_INSIDE,
  GUARD_COMMAND,
  GUARD_INSIDE,
  LEASE_INSIDE,
  OWN_CLOCK_GUARD_COMMAND
} from './guard.ts'
import type { HostLimits } from './host-limits.ts'
import type { ProfileName } from './profile-choice.ts'
import { USERS_INSIDE } from './users.ts'
import { type Volume, volumeMount } from './volume.ts'

/** A container is gone on with only by what would have made it: `strict`, `standard`, `builder`. */
export const PROFILE_LABEL = 'runner-mesh.profile'

/** Where a job's source is, and where its steps start. */
export const WORKSPACE_INSIDE = '/work'

/**
 * What moby 29 hides. Older engines hide less (`/proc/interrupts`: GHSA-6fw5-f8r9-fgfm, `powercap`:
 * GHSA-jq35-85cj-fj4p), and an empty list would hide nothing, so that the whole list is always
 * sent.
 */
const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware'
] as const

/**
 * What engines add by themselves where nothing is said. Said all the same: an engine that adds less
 * would differ in its read-back from what was asked.
 */
const READONLY_PATHS = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger'
] as const

const SHM_BYTES = 67_108_864
const OPEN_FILES_SOFT = 4_096
const OPEN_FILES_HARD = 65_536
/** Counts all processes of a uid over all containers, so that it can only be a backstop. */
const PROCESSES_PER_UID = 65_536
/** The kernel takes a job's processes before any of the host's. */
const OOM_SCORE = 500
/** cgroup CPU weight of one core; the engine's own default. */
const SHARES_PER_CPU = 1_024
const SHARES_MIN = 2

export interface SandboxRequest {
  readonly imageId: string
  readonly jobId: string
  readonly epoch: number
  readonly claimId: string
  readonly peerId: string
  readonly storeId: string
  readonly volume: string
  /** Names of the image's labels; none where absent. */
  readonly imageLabels?: readonly string[]
  /** Folders that the image declares as volumes; none where absent. */
  readonly imageVolumes?: readonly string[]
  /** Host paths of what is mounted read-only. */
  readonly leaseDir: string
  readonly busybox: string
  readonly guard: string
  /** Of a profile with users of its own. */
  readonly users?: string | undefined
  readonly resources: Resources
  /** The control group that it is made in; absent for the engine's own. */
  readonly group?: string | undefined
  /** Absent where nothing keeps what it writes to the disk to a size. */
  readonly disk?: DiskVolume | undefined
  /** One that has shown what it is here, see runtimeFor; absent for the plain one. */
  readonly runtime?: string | undefined
  /** What it gets of the GPUs that its job leases; absent for a container without one. */
  readonly gpuParts?: GpuParts | undefined
  /** Of the job alone, never of a service's; absent is none. */
  readonly gpus?: readonly LeasedGpu[] | undefined
}

export interface SandboxHost {
  readonly cgroup: 1 | 2
  readonly apparmor: boolean
  readonly cpus: number
  readonly swapLimit: boolean
  readonly limits: HostLimits
  /** What options of a volume number a container's users from; see UserNamespace. */
  readonly userBase: number
  /** What containers are made with that ask for nothing else; undefined leaves it to the engine. */
  readonly runtime: string | undefined
}

/** What one profile decides; all else is common to all of them. */
export interface Profile {
  readonly name: ProfileName
  /** The guard's user and group, by number. */
  readonly guard: string
  /** Whoever unpacks the source, reads records, and in the end owns what is in `/work`. */
  readonly helper: string
  /** Runs the steps, whatever the image says; undefined where the image's own user does. */
  readonly user: string | undefined
  /** `NAME=value` for steps whose job does not set NAME itself. */
  readonly env: readonly string[]
  readonly capabilities: readonly string[]
  /** The filter of system calls, as `SecurityOpt` takes it. */
  readonly seccomp: string
  /** True where the job's own users stand in place of the image's; absent leaves those. */
  readonly ownUsers?: boolean
  readonly readOnlyRoot: boolean
  /** Volumes beside that of the workspace, by their place in the container. */
  readonly volumes: (request: SandboxRequest) => readonly Volume[]
}

export function sandboxLabels(
  request: Pick<SandboxRequest, 'jobId' | 'peerId' | 'storeId' | 'epoch' | 'claimId'>
): Readonly<Record<string, string>> {
  return {
    'runner-mesh.job': request.jobId,
    'runner-mesh.peer': request.peerId,
    'runner-mesh.store': request.storeId,
    'runner-mesh.epoch': String(request.epoch),
    'runner-mesh.claim': request.claimId
  }
}

/** What the engine is asked for, field by field. */
export function containerBody(
  profile: Profile,
  request: SandboxRequest,
  host: SandboxHost
): ContainerBody {
  return {
    Image: request.imageId,
    // Of process 1 alone: each step, and whatever helps it, is run as somebody by name.
    User: profile.guard,
    WorkingDir: '/',
    Entrypoint: request.runtime === undefined ? GUARD_COMMAND : OWN_CLOCK_GUARD_COMMAND,
    Cmd: [],
    Env: (request.gpuParts ?? NO_GPU_PARTS).env,
    // The engine would add the image's, and in its events a label stands in place of an attribute
    // of its name: an image could say how its container ends. Nor are they for what else of the
    // host goes by labels.
    Labels: {
      ...Object.fromEntries((request.imageLabels ?? []).map((name) => [name, ''])),
      ...sandboxLabels(request),
      ...gpuLabels(request.gpus),
      [PROFILE_LABEL]: profile.name
    },
    // An image's own health check would be a process that nobody asked for.
    Healthcheck: { Test: ['NONE'] },
    StopSignal: 'SIGTERM',
    StopTimeout: 10,
    Tty: false,
    OpenStdin: false,
    HostConfig: {
      ...privileges(profile, host),
      ...gpuAccess(request.gpuParts ?? NO_GPU_PARTS),
      ...limits(request.resources, host),
      ...separation(),
      ...runtimeOf(request, host),
      ...layerQuota(profile, request),
      ...(request.group === undefined ? {} : { CgroupParent: request.group }),
      Mounts: mounts(profile, request, host),
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      AutoRemove: false
    }
  }
}

function privileges(profile: Profile, host: SandboxHost): Record<string, unknown> {
  const apparmor = host.apparmor ? ['apparmor=docker-default'] : []
  return {
    Privileged: false,
    CapDrop: ['ALL'],
    CapAdd: profile.capabilities,
    // Without ours the engine's own filter applies, which is as open as the engine is old.
    SecurityOpt: ['no-new-privileges:true', profile.seccomp, ...apparmor],
    MaskedPaths: [...MASKED_PATHS, ...throttlePaths(host.cpus)],
    ReadonlyPaths: READONLY_PATHS,
    ReadonlyRootfs: profile.readOnlyRoot,
    DeviceCgroupRules: []
  }
}

/** Of a host's devices a container gets those of its GPUs, by whichever way, and no other. */
function gpuAccess({ devices, requests, groups }: GpuParts): Record<string, unknown> {
  return { Devices: devices, DeviceRequests: requests, GroupAdd: groups }
}

function limits(resources: Resources, host: SandboxHost): Record<string, unknown> {
  const { memoryBytes, cpuMilli, pidsMax = PIDS_MAX } = resources
  return {
    PidsLimit: pidsMax,
    Memory: memoryBytes,
    // Equal to Memory means no swap: nothing of a job reaches the host's disk that way. A kernel
    // that does not count swap would store something else, and the probe says so.
    ...(host.swapLimit ? { MemorySwap: memoryBytes } : {}),
    // cgroup v2 has no such knob, and the engine refuses the field there.
    ...(host.cgroup === 1 ? { MemorySwappiness: 0 } : {}),
    NanoCpus: cpuMilli * 1_000_000,
    CpuShares: Math.max(SHARES_MIN, Math.round((cpuMilli * SHARES_PER_CPU) / 1_000)),
    ShmSize: SHM_BYTES,
    OomScoreAdj: OOM_SCORE,
    OomKillDisable: false,
    Ulimits: [
      ulimit('nofile', OPEN_FILES_SOFT, Math.min(OPEN_FILES_HARD, host.limits.openFiles)),
      // A core dump would carry what a process knew past its end.
      ulimit('core', 0, 0),
      ulimit('nproc', PROCESSES_PER_UID, Math.min(PROCESSES_PER_UID, host.limits.processes))
    ]
  }
}

function ulimit(Name: string, soft: number, Hard: number): Record<string, unknown> {
  return { Name, Soft: Math.min(soft, Hard), Hard }
}

function separation(): Record<string, unknown> {
  return {
    // Of a job with a network: whatever opens it says so in its place (see Gate).
    NetworkMode: 'none',
    Dns: [],
    DnsOptions: [],
    DnsSearch: [],
    ExtraHosts: [],
    Links: null,
    IpcMode: 'private',
    PidMode: '',
    UTSMode: '',
    CgroupnsMode: 'private',
    UsernsMode: '',
    VolumesFrom: null,
    PublishAllPorts: false,
    PortBindings: {}
  }
}

function runtimeOf(request: SandboxRequest, host: SandboxHost): Record<string, unknown> {
  const runtime = request.runtime ?? host.runtime
  return runtime === undefined ? {} : { Runtime: runtime }
}

/** Engines whose quota was not tried refuse the field, whatever is in it. */
function layerQuota(profile: Profile, { disk }: SandboxRequest): Record<string, unknown> {
  if (profile.readOnlyRoot || disk?.kind !== 'quota') return {}
  return { StorageOpt: { size: String(disk.bytes) } }
}

/** Ours only; a bind mount never comes from a job's own words. */
function mounts(profile: Profile, request: SandboxRequest, host: SandboxHost): readonly Mount[] {
  const { users } = request
  const labels = sandboxLabels(request)
  const bind = (Source: string, Target: string): Mount => ({
    Type: 'bind',
    Source,
    Target,
    ReadOnly: true
  })
  return [
    bind(request.leaseDir, LEASE_INSIDE),
    bind(request.busybox, BUSYBOX_INSIDE),
    bind(request.guard, GUARD_INSIDE),
    ...(profile.ownUsers === true && users !== undefined ? [bind(users, USERS_INSIDE)] : []),
    ...profile
      .volumes(request)
      .map((each) => volumeMount(each, request.volume, labels, host.userBase))
  ]
}

function throttlePaths(cpus: number): string[] {
  return Array.from(
    { length: cpus },
    (_, cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`
  )
}
