import type { Quantity } from '../core/duration.ts'
import { GPU_MEMORY_BYTES_MAX, GPU_MEMORY_BYTES_MIN } from '../core/gpu-request-limits.ts'
import { CPU_MILLI_MAX, CPU_MILLI_MIN, MEMORY_BYTES_MAX, MEMORY_BYTES_MIN } from '../core/limits.ts'
import { formatBytes, formatCpu } from '../core/quantities.ts'
import { JOB_DISK_BYTES_MAX, JOB_DISK_BYTES_MIN } from '../core/volume-limits.ts'

/** `512MiB`, `4GiB`, `1.5GiB`, `500MB` to bytes of memory, rounded down. */
export function parseMemory(input: unknown): Quantity {
  return parseSize(input, MEMORY_BYTES_MIN, MEMORY_BYTES_MAX)
}

/** Likewise, to bytes of disk. */
export function parseDisk(input: unknown): Quantity {
  return parseSize(input, JOB_DISK_BYTES_MIN, JOB_DISK_BYTES_MAX)
}

/** Likewise, to bytes of a GPU's own memory. */
export function parseGpuMemory(input: unknown): Quantity {
  return parseSize(input, GPU_MEMORY_BYTES_MIN, GPU_MEMORY_BYTES_MAX)
}

function parseSize(input: unknown, least: number, most: number): Quantity {
  if (typeof input === 'number') return problem('has no unit: write it as in 512MiB or 4GiB')
  const match = typeof input === 'string' ? SIZE.exec(input) : null
  const [, amount = '', unit = ''] = match ?? []
  const factor = Object.hasOwn(FACTORS, unit) ? FACTORS[unit] : undefined
  if (factor === undefined) {
    return problem('is no size: write it as in 512MiB, 4GiB or 500MB')
  }
  const bytes = Math.floor(Number(amount) * factor)
  if (bytes < least) {
    return problem(`is too little: at least ${formatBytes(least)} is allowed`)
  }
  if (bytes > most) {
    return problem(`is too much: at most ${formatBytes(most)} is allowed`)
  }
  return { kind: 'value', value: bytes }
}

export const SIZE = /^([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([A-Za-z]{1,3})$/

const FACTORS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12
}

/** Cores, down to thousandths, to thousandths. */
export function parseCpu(input: unknown): Quantity {
  if (typeof input !== 'number') return problem('is no number: write cores as in 2 or 0.5')
  if (!Number.isFinite(input)) return problem('is no amount: write cores as in 2 or 0.5')
  const milli = Math.round(input * 1_000)
  // 0.0004 would become 0 cores, 1.2345 something that nobody wrote.
  if (Math.abs(milli - input * 1_000) > 1e-6) return problem('is too fine: use three decimals')
  if (milli < CPU_MILLI_MIN) {
    return problem(`is too little: at least ${formatCpu(CPU_MILLI_MIN)} is allowed`)
  }
  if (milli > CPU_MILLI_MAX) {
    return problem(`is too much: at most ${formatCpu(CPU_MILLI_MAX)} is allowed`)
  }
  return { kind: 'value', value: milli }
}

function problem(text: string): Quantity {
  return { kind: 'problem', text }
}
