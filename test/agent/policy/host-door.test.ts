import { beforeEach, describe, expect, test } from 'vitest'
import { HostDoor, type HostDoorOptions } from '../../../agent/policy/host-door.ts'
import { zoneTime } from '../../../agent/policy/zone-time.ts'
import type { HostHours } from '../../../protocol/core/host-hours.ts'
import type { HostLoad } from '../../../protocol/core/host-load.ts'
import { HOST_LOOK_EVERY_MS } from '../../../protocol/core/host-policy-limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const GIB = 2 ** 30
const MINUTE_MS = 60_000
/** Every night. */
const NIGHT: HostHours = { days: [0, 1, 2, 3, 4, 5, 6], from: 20 * 60, to: 6 * 60 }
const IDLE: HostLoad = { average: 0, cores: 4, availableBytes: 8 * GIB, totalBytes: 16 * GIB }

let clock: FakeClock
let load: HostLoad | undefined
let changes: number
beforeEach(() => {
  clock = new FakeClock()
  load = IDLE
  changes = 0
})

function door(options: Partial<HostDoorOptions>): HostDoor {
  const readLoad = (): HostLoad => {
    if (load === undefined) throw new Error('no such file')
    return load
  }
  const parts = { clock, log: silentLog(), localTime: zoneTime('UTC'), readLoad }
  const made = new HostDoor(parts, { hours: undefined, zone: 'UTC', load: undefined, ...options })
  made.onChange(() => {
    changes += 1
  })
  return made
}

/** Sets the wall clock only. */
function wallTo(time: string): void {
  clock.jumpWall(Date.parse(`2027-03-01T${time}:00Z`) - clock.wallMs())
}

test('a host without hours and limits is open, and nothing is looked at', () => {
  load = undefined
  const open = door({})
  open.start()
  expect([open.closing, open.problems(), clock.armed()]).toEqual([undefined, [], 0])
})

test('a host with few processes left is closed for new jobs, and says how many there are', async () => {
  const limits = { perCore: undefined, freeMemoryBytes: undefined, sparePids: true }
  load = { ...IDLE, pids: { used: 30_000, max: 32_768 } }
  const full = door({ load: limits })
  full.start()
  const text = '2768 of 32768 processes and threads are free, 5120 must be'
  expect(full.closing).toEqual({ by: 'load', text })
  expect(full.problems()[0]?.fix).toContain('raise kernel.pid_max')

  load = { ...IDLE, pids: { used: 1_000, max: 32_768 } }
  await clock.advance(HOST_LOOK_EVERY_MS)
  expect(full.closing).toBeUndefined()
})

describe('outside the hours of its owner a host', () => {
  test('is closed, and says when it opens', () => {
    wallTo('12:00')
    const night = door({ hours: [NIGHT] })
    expect(night.closing).toEqual({ by: 'hours', text: "its owner's hours begin Mon 20:00 (UTC)" })
    expect(night.problems()).toEqual([
      {
        code: 'HOST_CLOSED',
        message:
          "this host takes no new jobs: its owner's hours begin Mon 20:00 (UTC); what runs goes on",
        fix: 'nothing, or change policy.hours in agent.yaml and start the agent again'
      }
    ])
  })

  test('opens and closes by itself, and says so each time', async () => {
    wallTo('19:59')
    const night = door({ hours: [NIGHT] })
    night.start()
    expect(night.closing?.by).toBe('hours')
    await clock.advance(0)
    const before = changes

    await clock.advance(MINUTE_MS)
    expect([night.closing, changes - before]).toEqual([undefined, 1])

    wallTo('06:00')
    await clock.advance(HOST_LOOK_EVERY_MS)
    expect([night.closing?.by, changes - before]).toEqual(['hours', 2])
    night.stop()
    expect(clock.armed()).toBe(0)
  })

  test('closes at that minute for a claim, whenever it looked last', async () => {
    wallTo('05:59')
    const night = door({ hours: [NIGHT] })
    night.start()
    expect(night.closing).toBeUndefined()
    await clock.advance(1_000)
    wallTo('06:00')
    expect(night.closing?.by).toBe('hours')
    night.stop()
  })
})

describe('a busy host', () => {
  const limits = { perCore: 0.5, freeMemoryBytes: 4 * GIB }

  test('is closed above its load, with both figures', () => {
    load = { ...IDLE, average: 3 }
    expect(door({ load: limits }).closing).toEqual({
      by: 'load',
      text: 'it is busy: a load of 0.75 for each core, over 0.5'
    })
  })

  test('is closed below its free memory, with both figures', () => {
    load = { ...IDLE, availableBytes: 2.5 * GIB }
    expect(door({ load: limits }).closing).toEqual({
      by: 'load',
      text: 'it is busy: 2.5GiB of memory are free, its owner wants 4GiB to stay so'
    })
  })

  test('is closed where its load cannot be read: a limit that is not seen must not be overrun', () => {
    load = undefined
    const text = door({ load: limits }).closing?.text
    expect(text).toBe('its load cannot be read (no such file)')
  })

  test('opens well below its limit, and other figures meanwhile are no news', async () => {
    const workstation = door({ load: limits })
    workstation.start()
    load = { ...IDLE, average: 3 }
    await clock.advance(HOST_LOOK_EVERY_MS)
    expect(changes).toBe(1)
    load = { ...IDLE, average: 1.9 }
    await clock.advance(HOST_LOOK_EVERY_MS)
    expect(workstation.closing?.text).toContain('0.47 for each core')
    load = { ...IDLE, average: 1.5 }
    await clock.advance(HOST_LOOK_EVERY_MS)
    expect([workstation.closing, changes]).toEqual([undefined, 2])
    workstation.stop()
  })
})
