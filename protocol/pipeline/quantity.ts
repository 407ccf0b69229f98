import { GPU_MEMORY_BYTES_MAX, GPU_MEMORY_BYTES_MIN } from '../core/gpu-request-limits.ts'
import {
  CPU_MILLI_MAX,
  CPU_MILLI_MIN,
  JOB_TIMEOUT_MS_MAX,
  MEMORY_BYTES_MAX,
  MEMORY_BYTES_MIN
} from '../core/limits.ts'
import { formatBytes, formatCpu } from '../core/quantities.ts'
import { JOB_DISK_BYTES_MAX, JOB_DISK_BYTES_MIN } from '../core/volume-limits.ts'

/** A value in its unit, or what is wrong with the way out. */
export type Quantity =
  | { readonly kind: 'value'; readonly value: number }
  | { readonly kind: 'problem'; readonly text: string }

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** `90s`, `30m`, `1h30m` to milliseconds. */
export function parseDuration(input: unknown): Quantity {
  if (typeof input === 'number') return problem('has no unit: write it as in 30m or 90s')
  const match = typeof input === 'string' ? DURATION.exec(input) : null
  if (match === null) return problem('is no duration: write it as in 90s, 30m or 1h30m')
  const [, hours = '0', minutes = '0', seconds = '0'] = match
  const ms = Number(hours) * HOUR_MS + Number(minutes) * MINUTE_MS + Number(seconds) * SECOND_MS
  if (ms < SECOND_MS) return problem('is too short: at least 1s is allowed')
  const hoursMax = JOB_TIMEOUT_MS_MAX / HOUR_MS
  if (ms > JOB_TIMEOUT_MS_MAX) return problem(`is too long: at most ${hoursMax}h are allowed`)
  return { kind: 'value', value: ms }
}

export const DURATION = /^(?=[0-9])(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?$/

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
