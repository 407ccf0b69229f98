import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HostPids } from '../../protocol/core/host-load.ts'

/**
 * Processes and threads of the host that `root` leads to, as its /proc says; undefined where that
 * does not. The lower one of the kernel's two limits counts: ids, and threads by the memory.
 */
export function readPids(root = '/'): HostPids | undefined {
  const read = (name: string): string => readFileSync(join(root, 'proc', name), 'utf8').trim()
  try {
    const limits = [read('sys/kernel/pid_max'), read('sys/kernel/threads-max')].map(Number)
    // `0.20 0.18 0.12 1/80 11206`: what may run now, of all that there is.
    const used = Number(/^(?:\S+ ){3}\d+\/(\d+)/.exec(read('loadavg'))?.[1])
    const max = Math.min(...limits)
    return Number.isSafeInteger(used) && Number.isSafeInteger(max) ? { used, max } : undefined
  } catch {
    return undefined
  }
}
