import { beforeEach, expect, test } from 'vitest'
import {
  type DiskBreach,
  type DiskRoom,
  DiskWatchdog,
  diskRoom,
  type WatchedBox
} from '../../../agent/execute/disk/disk-watchdog.ts'
import {
  DISK_COUNT_BYTES,
  DISK_COUNT_EVERY_MS,
  DISK_COUNT_MS_MAX,
  DISK_FLOOR_BYTES,
  DISK_LOOK_EVERY_MS
} from '../../../protocol/core/volume-limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const GIB = 2 ** 30

let clock: FakeClock
let freeBytes: number
let watchdog: DiskWatchdog
beforeEach(() => {
  clock = new FakeClock()
  freeBytes = 100 * GIB
  const space = async (): Promise<DiskRoom> => ({ freeBytes, floorBytes: GIB })
  watchdog = new DiskWatchdog({ clock, log: silentLog(), space })
})

/** A box that takes `bytes`, with what was done to it and how often it was counted. */
class Box implements WatchedBox {
  readonly jobId = 'R.0'
  readonly limitBytes = GIB
  bytes: number
  counts = 0
  readonly breaches: DiskBreach[] = []

  constructor(bytes: number) {
    this.bytes = bytes
  }

  async usedBytes(): Promise<number> {
    this.counts += 1
    if (this.bytes < 0) throw new Error('it is gone')
    return this.bytes
  }

  end(breach: DiskBreach): void {
    this.breaches.push(breach)
  }
}

function watched(bytes: number): Box {
  const box = new Box(bytes)
  watchdog.watch(box)
  return box
}

test('a job is ended once it takes more than it may, once, and no other one with it', async () => {
  const [large, small] = [watched(GIB), watched(GIB / 2)]
  await clock.advance(DISK_COUNT_EVERY_MS)
  expect(large.breaches).toEqual([])

  large.bytes = GIB + 1
  await clock.advance(3 * DISK_COUNT_EVERY_MS)

  expect(large.breaches).toEqual([{ kind: 'limit', usedBytes: GIB + 1 }])
  expect(small.breaches).toEqual([])
})

test('nothing is counted more often than it must be while the disk stays as it is', async () => {
  const box = watched(1)
  await clock.advance(10 * DISK_COUNT_EVERY_MS)

  expect(box.counts).toBeGreaterThanOrEqual(9)
  expect(box.counts).toBeLessThanOrEqual(11)
})

test('a disk that fills up fast is counted at the next look', async () => {
  const box = watched(1)
  await clock.advance(DISK_LOOK_EVERY_MS)
  expect(box.counts).toBe(1)

  freeBytes -= DISK_COUNT_BYTES - 1
  await clock.advance(DISK_LOOK_EVERY_MS)
  expect(box.counts).toBe(1)

  freeBytes -= 1
  await clock.advance(DISK_LOOK_EVERY_MS)
  expect(box.counts).toBe(2)
})

test('of a disk that is nearly full the largest job makes room, and the next one only later', async () => {
  const [large, larger] = [watched(GIB / 2), watched(GIB - 1)]
  freeBytes = GIB - 1
  await clock.advance(DISK_LOOK_EVERY_MS)
  expect(larger.breaches).toEqual([{ kind: 'floor', usedBytes: GIB - 1, freeBytes: GIB - 1 }])
  expect(large.breaches).toEqual([])

  await clock.advance(DISK_COUNT_EVERY_MS - DISK_LOOK_EVERY_MS)
  expect(large.breaches).toEqual([])
  await clock.advance(2 * DISK_LOOK_EVERY_MS)
  expect(large.breaches).toMatchObject([{ kind: 'floor' }])
})

test('jobs that take next to nothing are not ended for what somebody else fills', async () => {
  const box = watched(DISK_COUNT_BYTES - 1)
  freeBytes = 0
  await clock.advance(3 * DISK_COUNT_EVERY_MS)

  expect(box.breaches).toEqual([])
})

test('a job that cannot be counted keeps no other one from it, and is counted again', async () => {
  const [gone, large] = [watched(-1), watched(2 * GIB)]
  await clock.advance(2 * DISK_COUNT_EVERY_MS)

  expect(large.breaches).toHaveLength(1)
  expect(gone.counts).toBeGreaterThan(1)
  expect(gone.breaches).toEqual([])
})

test('a job that cannot be counted makes room before those that can', async () => {
  const [hidden, honest] = [watched(-1), watched(GIB / 2)]
  freeBytes = GIB / 2
  await clock.advance(DISK_COUNT_EVERY_MS)

  expect(hidden.breaches).toMatchObject([{ kind: 'floor', usedBytes: GIB }])
  expect(honest.breaches).toEqual([])
})

test('so does one that never answers, and nobody waits for it', async () => {
  const [slow, honest] = [watched(0), watched(GIB / 2)]
  slow.usedBytes = () => new Promise(() => undefined)
  freeBytes = GIB / 2
  await clock.advance(DISK_COUNT_EVERY_MS + DISK_COUNT_MS_MAX)

  expect(slow.breaches).toMatchObject([{ kind: 'floor' }])
  expect(honest.breaches).toEqual([])
})

test('a box that is let go is looked at no more, and without any nothing is', async () => {
  const box = new Box(2 * GIB)
  watchdog.watch(box)()
  await clock.advance(3 * DISK_COUNT_EVERY_MS)

  expect(box.counts).toBe(0)
})

test('the disk that is nearest to its floor counts; a small one has a lower floor', async () => {
  const space = await diskRoom(['/', '/proc'])

  // The file system of /proc has no room at all, and no floor.
  expect(space).toEqual({ freeBytes: 0, floorBytes: 0 })
  expect((await diskRoom(['/'])).floorBytes).toBeLessThanOrEqual(DISK_FLOOR_BYTES)
  await expect(diskRoom(['/', '/nowhere'])).rejects.toThrow('ENOENT')
})
