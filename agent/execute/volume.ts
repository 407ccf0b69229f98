import type { DiskVolume } from './disk/job-disk.ts'
import type { ContainerBody, Mount } from './engine-types.ts'

/** A volume of the job's own. */
export interface Volume {
  /** Of its name, after the name of the workspace's; '' for that one. */
  readonly suffix: string
  readonly target: string
  /** In memory where present, on the engine's disk otherwise. */
  readonly memory?: MemoryVolume | undefined
  /** What keeps one on the disk to its size; nothing where absent. */
  readonly disk?: DiskVolume | undefined
}

export interface MemoryVolume {
  readonly bytes: number
  /** Octal, as in `0700`. */
  readonly mode: string
  /** User and group in the container. */
  readonly owner: number
}

/** The names of all volumes that a container of this body gets. */
export function volumesOf(body: ContainerBody): readonly string[] {
  return body.HostConfig.Mounts.filter(({ Type }) => Type === 'volume').map(({ Source }) => Source)
}

/** Whether what is written there is in memory, and counts as the job's. */
export function isInMemory(body: ContainerBody, target: string): boolean {
  return optionsOf(body, target)?.['type'] === 'tmpfs'
}

/** Whether what is written there has an end, in memory or on the disk. */
export function isLimited(body: ContainerBody, target: string): boolean {
  return optionsOf(body, target) !== undefined
}

function optionsOf(
  body: ContainerBody,
  target: string
): Readonly<Record<string, string>> | undefined {
  const mount = body.HostConfig.Mounts.find(({ Target }) => Target === target)
  return mount?.VolumeOptions?.DriverConfig?.Options
}

export function volumeMount(
  volume: Volume,
  name: string,
  labels: Readonly<Record<string, string>>,
  userBase: number
): Mount {
  const { suffix, target, memory, disk } = volume
  const driver =
    memory !== undefined
      ? { DriverConfig: memoryDriver(memory, userBase) }
      : disk !== undefined
        ? { DriverConfig: diskDriver(disk) }
        : {}
  return {
    Type: 'volume',
    Source: `${name}${suffix}`,
    Target: target,
    ReadOnly: false,
    // Without NoCopy whatever an image has at this path would lie among the job's source.
    VolumeOptions: { NoCopy: true, Labels: labels, ...driver }
  }
}

/**
 * A volume rather than the engine's own `Tmpfs`: that takes the mode of a folder that the image has
 * at this path, so that an image with a `/tmp` of root's would be one that nobody can write to.
 */
function memoryDriver({ bytes, mode, owner }: MemoryVolume, userBase: number) {
  const id = userBase + owner
  const o = `size=${bytes},mode=${mode},uid=${id},gid=${id},nosuid,nodev`
  return { Name: 'local' as const, Options: { type: 'tmpfs', device: 'tmpfs', o } }
}

/**
 * A file system of its own, or the engine's quota of a folder. Tables of inodes are written as they
 * are needed, and what is removed goes back to the host.
 */
function diskDriver(disk: DiskVolume) {
  const Name = 'local' as const
  if (disk.kind === 'quota') return { Name, Options: { size: String(disk.bytes) } }
  const o = 'nosuid,nodev,noinit_itable,discard'
  return { Name, Options: { type: 'ext4', device: disk.path, o } }
}
