import { expect, test } from 'vitest'
import { parseUptime, systemClock } from '../../../protocol/host/clock.ts'

test('the first field of /proc/uptime is read as centiseconds', () => {
  expect(parseUptime('6123.07 4000.00\n')).toBe(612_307)
  expect(parseUptime('0.08 0.00\n')).toBe(8)
})

test('anything else in /proc/uptime is an error, never a time', () => {
  for (const text of ['', '12', '12.3 4', 'x.00', '-1.00 2']) {
    expect(() => parseUptime(text), text).toThrow('/proc/uptime')
  }
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
