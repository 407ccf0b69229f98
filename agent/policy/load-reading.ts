import { readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import type { HostLoad } from '../../protocol/core/host-load.ts'

const KIB = 1_024

/** The host's load now. Throws where the kernel does not say it. */
export function readLoad(): HostLoad {
  const [average = Number.NaN] = loadavg()
  return { average, cores: Math.max(1, cpus().length), ...memoryOf(readMemory()) }
}

/** Of the text of /proc/meminfo: what could be had without swapping, and all that there is. */
export function memoryOf(text: string): Pick<HostLoad, 'availableBytes' | 'totalBytes'> {
  return { availableBytes: bytesOf(text, 'MemAvailable'), totalBytes: bytesOf(text, 'MemTotal') }
}

function bytesOf(text: string, name: string): number {
  const kib = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1]
  if (kib === undefined) throw new Error(`/proc/meminfo has no ${name}`)
  return Number(kib) * KIB
}

function readMemory(): string {
  return readFileSync('/proc/meminfo', 'utf8')
}
