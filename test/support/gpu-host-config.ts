import { SECCOMP_OPTION } from '../../agent/execute/seccomp-filter.ts'

/*
 * The whole `HostConfig` of a job with 2 CPUs and 4 GiB, written out: whoever changes what a
 * container is made of changes it here as well.
 */

const GIB = 2 ** 30
const MIB = 2 ** 20

const bind = (Source: string, Target: string) => ({ Type: 'bind', Source, Target, ReadOnly: true })

/** The whole of it, but for what decides about GPUs. */
export const HOST_CONFIG_REST = {
  Privileged: false,
  CapDrop: ['ALL'],
  CapAdd: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID'],
  SecurityOpt: ['no-new-privileges:true', SECCOMP_OPTION],
  MaskedPaths: [
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
    '/sys/firmware',
    '/sys/devices/system/cpu/cpu0/thermal_throttle'
  ],
  ReadonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
  ReadonlyRootfs: false,
  DeviceCgroupRules: [],
  PidsLimit: 512,
  Memory: 4 * GIB,
  MemorySwap: 4 * GIB,
  NanoCpus: 2_000_000_000,
  CpuShares: 2_048,
  ShmSize: 64 * MIB,
  OomScoreAdj: 500,
  OomKillDisable: false,
  Ulimits: [
    { Name: 'nofile', Soft: 4_096, Hard: 65_536 },
    { Name: 'core', Soft: 0, Hard: 0 },
    { Name: 'nproc', Soft: 65_536, Hard: 65_536 }
  ],
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
  PortBindings: {},
  Runtime: 'runc',
  Mounts: [
    bind('/leases/c', '/.runner-mesh/lease'),
    bind('/bin/busybox', '/.runner-mesh/busybox'),
    bind('/guard.sh', '/.runner-mesh/guard.sh'),
    {
      Type: 'volume',
      Source: 'v',
      Target: '/work',
      ReadOnly: false,
      VolumeOptions: {
        NoCopy: true,
        Labels: {
          'runner-mesh.job': 'J.0',
          'runner-mesh.peer': 'p',
          'runner-mesh.store': 's',
          'runner-mesh.epoch': '3',
          'runner-mesh.claim': 'c'
        }
      }
    }
  ],
  LogConfig: { Type: 'none', Config: {} },
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  AutoRemove: false
}

export const NO_GPU_ENV = ['NVIDIA_VISIBLE_DEVICES=void', 'AMD_VISIBLE_DEVICES=void']

function device(path: string) {
  return { PathOnHost: path, PathInContainer: path, CgroupPermissions: 'rw' }
}

/** By nodes, and the groups of those. */
export function byNodes(paths: readonly string[], groups: readonly number[]) {
  const GroupAdd = groups.map(String)
  return { ...HOST_CONFIG_REST, Devices: paths.map(device), DeviceRequests: [], GroupAdd }
}

export function byRequest(...requests: readonly unknown[]) {
  return { ...HOST_CONFIG_REST, Devices: [], DeviceRequests: requests, GroupAdd: [] }
}

export function byNvidia(...ids: readonly string[]) {
  return byRequest({
    Driver: 'nvidia',
    DeviceIDs: ids,
    Capabilities: [['gpu', 'compute', 'utility']]
  })
}

export function nvidiaEnv(...ids: readonly string[]) {
  return [
    `NVIDIA_VISIBLE_DEVICES=${ids.join(',')}`,
    'NVIDIA_DRIVER_CAPABILITIES=compute,utility',
    'AMD_VISIBLE_DEVICES=void'
  ]
}
