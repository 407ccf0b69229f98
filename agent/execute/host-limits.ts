import { readFile } from 'node:fs/promises'

/** Hard limits that this host's processes have, and that a container cannot be given more than. */
export interface HostLimits {
  readonly openFiles: number
  readonly processes: number
}

/** The hard limits in the text of /proc/self/limits; no limit is Infinity. */
export function parseLimits(text: string): HostLimits {
  const hard = (name: string): number => {
    const found = new RegExp(`^${name}\\s+\\S+\\s+(\\d+|unlimited)`, 'm').exec(text)?.[1]
    return found === undefined || found === 'unlimited' ? Number.POSITIVE_INFINITY : Number(found)
  }
  return { openFiles: hard('Max open files'), processes: hard('Max processes') }
}

/**
 * Of this process, for the engine's: both are started by the same hand. An engine without
 * CAP_SYS_RESOURCE cannot start a container whose limits are above its own.
 */
export async function hostLimits(): Promise<HostLimits> {
  return parseLimits(await readFile('/proc/self/limits', 'utf8'))
}
