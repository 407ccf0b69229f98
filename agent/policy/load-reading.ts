import { readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import type { HostLoad } from '../../protocol/core/host-load.ts'

const KIB = 1_024

/** The host's load now, its processes aside. Throws where the kernel does not say it. */
export function readLoad(): HostLoad {
  const [average = Number.NaN] = loadavg()
  const memoryPressure = pressureOf(readPressure())
  return { average, cores: Math.max(1, cpus().length), ...memoryOf(readMemory()), memoryPressure }
}

/**
 * Of the text of /proc/pressure/memory: per cent of the last ten seconds in which some process
 * waited for memory; undefined where there is none.
 */
export function pressureOf(text: string | undefined): number | undefined {
  const found = /^some avg10=(\d+(?:\.\d+)?) /m.exec(text ?? '')?.[1]
  return found === undefined ? undefined : Number(found)
}

/** Undefined on kernels without it, or where it is switched off (`psi=0`). */
function readPressure(): string | undefined {
  try {
    return readFileSync('/proc/pressure/memory', 'utf8')
  } catch {
    return undefined
  }
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
