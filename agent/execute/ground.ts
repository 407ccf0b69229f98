import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Platform } from '../../protocol/core/advertisement.ts'
import type { IsolationLevel } from '../../protocol/core/isolation.ts'
import { runsOn } from '../../protocol/core/platform.ts'
import type { Engine } from './engine.ts'
import type { EngineInfo, EngineSettings } from './engine-types.ts'
import type { GpuParts } from './gpu/gpu-parts.ts'
import type { GpuEngine } from './gpu/gpu-passage.ts'
import type { PassingJob } from './gpu/gpu-passing.ts'
import type { LeasedGpu } from './gpu/leased-gpu.ts'
import type { GroupSource } from './group/job-groups.ts'
import { layGuard } from './guard.ts'
import { hostLimits } from './host-limits.ts'
import { nativePlatform } from './native-platform.ts'
import { BUILDER_USERS } from './profile-builder.ts'
import { plainRuntime } from './runtime.ts'
import type { SandboxHost } from './sandbox-profile.ts'
import { isolationOf, userNamespaceOf } from './user-namespace.ts'
import { layUsers } from './users.ts'

/** Folder beside the workspaces that containers mount the guard from. */
export const GROUND_DIR = '.sandbox'

/** What every sandbox of this host stands on; learned before the first attempt. */
export interface Ground {
  /** Path of the guard. */
  readonly guard: string
  /** Path of the users of builders. */
  readonly users: string
  /** What a job runs on that names none. */
  readonly platform: string
  readonly host: SandboxHost
  /** What every job gets from the engine itself. */
  readonly isolation: IsolationLevel
  /** What the engine is now: it may have been started anew since its runtimes were tried. */
  readonly engine: EngineSettings
  /** How it makes control groups. */
  readonly groups: GroupSource
  /** What it can hand GPUs over with. */
  readonly gpuEngine: GpuEngine
  /** The GPUs that a job leases as they were when `gpuParts` was made. */
  readonly gpus?: readonly LeasedGpu[] | undefined
  /** What one job gets of the GPUs that it leases; throws GPU_REFUSED. Absent is none. */
  readonly gpuParts?: ((job: PassingJob) => GpuParts) | undefined
}

/** `platforms` are what has been shown to run here; [] where nothing was. */
export async function layGround(
  engine: Engine,
  workspaces: string,
  platforms: readonly Platform[]
): Promise<Ground> {
  // Ours alone: what a stranger's commit lays out must not be found by other users of this host.
  await mkdir(workspaces, { recursive: true, mode: 0o700 })
  const dir = join(workspaces, GROUND_DIR)
  const [guard, users] = await Promise.all([layGuard(dir), layUsers(dir, BUILDER_USERS)])
  const info = await engine.info()
  const isolation = isolationOf(info)
  const host = await sandboxHost(info)
  const plain = nativePlatform(info)
  // With the level of its processors, where the engine is the one that was looked at.
  const own = platforms.find(({ name, native }) => native && runsOn(plain, name))
  const platform = own?.name ?? plain
  const asked = { engine: info, groups: info, gpuEngine: info }
  return { guard, users, platform, host, isolation, ...asked }
}

/** What a profile has to know of this host. */
export async function sandboxHost(info: EngineInfo): Promise<SandboxHost> {
  const { cgroup, cpus, security, swapLimit } = info
  const apparmor = security.has('apparmor')
  const userBase = userNamespaceOf(info)?.base ?? 0
  const runtime = plainRuntime(info.runtimes)
  return { cgroup, cpus, apparmor, swapLimit, limits: await hostLimits(), userBase, runtime }
}
