import { closeSync, openSync, readSync } from 'node:fs'
import type { Clock } from '../core/ports.ts'

/** Longest first field of /proc/uptime: 300 years of seconds with two decimals. */
const UPTIME_BYTES_MAX = 64

/** CLOCK_BOOTTIME in whole centiseconds: the unit of the guard's deadline file. */
export function parseUptime(text: string): number {
  const match = /^(\d+)\.(\d\d)\b/.exec(text)
  if (match === null) throw new Error(`/proc/uptime reads ${JSON.stringify(text)}`)
  return Number(match[1]) * 100 + Number(match[2])
}

/**
 * The machine's clocks. `bootMs` reads /proc/uptime, since Node's own monotonic clock stands still
 * while the host is suspended (nodejs/node#47724): a lease would outlive its deadline.
 */
export function systemClock(): Clock {
  const file = openSync('/proc/uptime', 'r')
  const buffer = Buffer.alloc(UPTIME_BYTES_MAX)
  process.once('exit', () => closeSync(file))
  return {
    bootMs: () => {
      const length = readSync(file, buffer, 0, UPTIME_BYTES_MAX, 0)
      return parseUptime(buffer.toString('latin1', 0, length)) * 10
    },
    wallMs: () => Date.now(),
    arm: (afterMs, task) => {
      const timer = setTimeout(task, Math.max(0, afterMs))
      return () => clearTimeout(timer)
    }
  }
}
