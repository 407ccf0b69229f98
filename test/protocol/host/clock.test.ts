import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseUptime, systemClock } from '../../../protocol/host/clock.ts'

function centiseconds(text: string): number {
  return parseUptime(Buffer.from(text), text.length)
}

test('the first field of /proc/uptime is read as centiseconds', () => {
  expect(centiseconds('6123.07 4000.00\n')).toBe(612_307)
  expect(centiseconds('0.08 0.00\n')).toBe(8)
  fc.assert(
    fc.property(fc.nat(9_999_999_999), fc.nat(99), (seconds, rest) => {
      const text = `${seconds}.${String(rest).padStart(2, '0')} `
      expect(centiseconds(text)).toBe(seconds * 100 + rest)
    })
  )
})

test('anything else in /proc/uptime is an error, never a time', () => {
  const texts = ['', '12', '12.3 4', 'x.00 ', '-1.00 2', '.00 1', '1.234 5', '1..23 ', '1 2.00 ']
  for (const text of texts) expect(() => centiseconds(text), text).toThrow('/proc/uptime')
})

test('a time that is cut off is none, wherever the cut is', () => {
  const text = '1234567890.12 '
  for (let length = 0; length < text.length; length += 1) {
    expect(() => centiseconds(text.slice(0, length))).toThrow('/proc/uptime')
  }
  // What was read before lies behind what was read now.
  expect(() => parseUptime(Buffer.from('12.34 '), 5)).toThrow('/proc/uptime')
})

test('the boot clock is the one of /proc/uptime, and the monotonic one keeps its pace', async () => {
  const clock = systemClock()
  const text = () => Number(/^[0-9.]+/.exec(readFileSync('/proc/uptime', 'latin1'))?.[0]) * 1_000
  const [before, bootMs, after] = [text(), clock.bootMs(), text()]
  expect(bootMs).toBeGreaterThanOrEqual(before - 0.001)
  expect(bootMs).toBeLessThanOrEqual(after + 0.001)

  const startedMs = clock.monotonicMs()
  await new Promise<void>((resolve) => clock.arm(20, resolve))
  expect(clock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(19)
})

test('the boot clock never goes back and the timer fires once', async () => {
  const clock = systemClock()
  const before = clock.bootMs()

  let fired = 0
  await new Promise<void>((resolve) => {
    clock.arm(20, () => {
      fired++
      resolve()
    })
  })

  expect(fired).toBe(1)
  // Centiseconds: 20 ms may read as one tick.
  expect(clock.bootMs() - before).toBeGreaterThanOrEqual(10)
})

test('a cancelled timer never fires', async () => {
  const clock = systemClock()
  let fired = 0
  const cancel = clock.arm(5, () => {
    fired++
  })
  cancel()

  await new Promise<void>((resolve) => clock.arm(30, resolve))

  expect(fired).toBe(0)
})
