import { closeSync, openSync, readSync } from 'node:fs'
import type { Clock } from '../core/ports.ts'

/** First field of /proc/uptime and the space behind it: 300 years of seconds, two decimals. */
const UPTIME_BYTES_MAX = 16

const ZERO = 0x30
const POINT = 0x2e
const SPACE = 0x20

/**
 * CLOCK_BOOTTIME in whole centiseconds: the unit of the guard's deadline file. `length` of `bytes`
 * were read; digit by digit, since each decision on a lease looks at this clock.
 */
export function parseUptime(bytes: Uint8Array, length: number): number {
  let centiseconds = 0
  let point = -1
  for (let index = 0; index < length; index += 1) {
    const byte = bytes[index] as number
    const digit = byte - ZERO
    if (digit >= 0 && digit <= 9) centiseconds = centiseconds * 10 + digit
    else if (byte === POINT && point < 0 && index > 0) point = index
    else if (byte === SPACE && point > 0 && index === point + 3) return centiseconds
    else break
  }
  // Not even a time that is cut off: a lease would be over at another instant than its guard says.
  const text = Buffer.from(bytes.subarray(0, length)).toString('latin1')
  throw new Error(`/proc/uptime reads ${JSON.stringify(text)}`)
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
    bootMs: () => parseUptime(buffer, readSync(file, buffer, 0, UPTIME_BYTES_MAX, 0)) * 10,
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    arm: (afterMs, task) => {
      const timer = setTimeout(task, Math.max(0, afterMs))
      return () => clearTimeout(timer)
    }
  }
}
