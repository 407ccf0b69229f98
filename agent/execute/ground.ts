import { join } from 'node:path'
import type { Engine } from './engine.ts'
import { layGuard } from './guard.ts'
import { nativePlatform } from './native-platform.ts'
import type { SandboxHost } from './sandbox-profile.ts'

/** Folder beside the workspaces that containers mount the guard from. */
export const GROUND_DIR = '.sandbox'

/** What every sandbox of this host stands on; learned before the first attempt. */
export interface Ground {
  /** Path of the guard. */
  readonly guard: string
  readonly platform: string
  readonly host: SandboxHost
}

export async function layGround(engine: Engine, workspaces: string): Promise<Ground> {
  const [guard, info] = await Promise.all([layGuard(join(workspaces, GROUND_DIR)), engine.info()])
  const { cgroup, cpus, security } = info
  const host = { cgroup, cpus, apparmor: security.has('apparmor') }
  return { guard, platform: nativePlatform(info), host }
}
