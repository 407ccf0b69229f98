import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import {
  DISK_CHECK_EVERY_MS,
  DISK_LOW_PERCENT,
  DISK_ROOM_PERCENT
} from '../../../protocol/core/limits.ts'
import {
  ballastOf,
  type DiskSpace,
  diskSpaceOf,
  isFull,
  isLow
} from '../../../protocol/host/disk-space.ts'
import { DiskWatch } from '../../../protocol/host/disk-watch.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { SmallDisk } from '../../support/small-disk.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const MIB = 1_048_576
const GIB = 1_024 * MIB

const disks: SmallDisk[] = []
afterEach(async () => {
  for (const disk of disks.splice(0)) await disk.unmount()
})

async function watched(mib: number) {
  const state = join(await temporaryFolder(), 'state')
  const disk = await SmallDisk.mount(state, mib)
  disks.push(disk)
  const clock = new FakeClock()
  const ballast = join(state, 'ballast')
  const open = () => DiskWatch.open({ clock, log: silentLog() }, { state, ballast })
  return { state, disk, clock, ballast, open }
}

/** Leaves so many hundredths of the disk free. */
async function leave(disk: SmallDisk, state: string, percent: number): Promise<void> {
  const { totalBytes, freeBytes } = await diskSpaceOf(state)
  disk.take(Math.floor(freeBytes - (totalBytes * percent) / 100))
}

describe('a disk in memory that fills', () => {
  test('is low below 5 %, and has room again from 7 % on, not in between', async () => {
    const { state, disk, open } = await watched(128)
    const watch = await open()
    expect(watch.isLow).toBe(false)
    const heard: boolean[] = []
    watch.onChange(() => heard.push(watch.isLow))

    await leave(disk, state, 6)
    await watch.look()
    expect(watch.isLow).toBe(false)
    await leave(disk, state, 4)
    await watch.look()
    expect(watch.problem).toMatchObject({ code: 'DISK_LOW', facts: { percent: 5, again: 7 } })
    await disk.free()
    await leave(disk, state, 6)
    await watch.look()
    expect(watch.isLow).toBe(true)
    await disk.free()
    await watch.look()
    expect(watch.problem).toBeUndefined()
    expect(heard).toEqual([true, false])
  })

  test('is told low, and with room again, also where its ballast cannot be touched', async () => {
    const { state, disk, ballast, open } = await watched(128)
    await mkdir(join(ballast, 'in-the-way'), { recursive: true })
    const watch = await open()
    disk.fill()
    await watch.look()
    expect(watch.isLow).toBe(true)
    await disk.free()
    await watch.look()
    expect([watch.isLow, (await diskSpaceOf(state)).freeBytes > 100 * MIB]).toEqual([false, true])
  })

  test('has a ballast that takes real room, is given up when it is full, and comes back', async () => {
    const { state, disk, ballast, open } = await watched(128)
    const before = await diskSpaceOf(state)
    const first = await open()
    // Not at once: a start must not wait until that much is written.
    await expect(stat(ballast)).rejects.toMatchObject({ code: 'ENOENT' })
    await first.look()
    const { size, blocks } = await stat(ballast)
    expect(size).toBe(4 * MIB)
    expect(blocks * 512).toBeGreaterThanOrEqual(size)
    expect(before.freeBytes - (await diskSpaceOf(state)).freeBytes).toBeGreaterThanOrEqual(size)
    await first.stop()

    disk.fill()
    // The next process, before it opens anything.
    const second = await open()
    expect((await diskSpaceOf(state)).freeBytes).toBeGreaterThanOrEqual(size)
    expect(second.isLow).toBe(true)
    await expect(stat(ballast)).rejects.toMatchObject({ code: 'ENOENT' })

    await second.look()
    await expect(stat(ballast)).rejects.toMatchObject({ code: 'ENOENT' })
    await disk.free()
    await second.look()
    expect((await stat(ballast)).size).toBe(size)
    expect(second.isLow).toBe(false)
    await second.stop()
  })

  test('is looked at again and again by its clock, until the stop', async () => {
    const { state, disk, clock, open } = await watched(128)
    const watch = await open()
    watch.start()
    await leave(disk, state, 4)
    const low = Promise.withResolvers<void>()
    watch.onChange(() => low.resolve())
    await clock.advance(DISK_CHECK_EVERY_MS)
    await low.promise

    expect(watch.isLow).toBe(true)
    await watch.stop()
    expect(clock.armed()).toBe(0)
  })

  test('is not watched where 5 % of it is less than one batch: the first failed write tells', async () => {
    const { state, disk, ballast, open } = await watched(16)
    await leave(disk, state, 1)
    const watch = await open()

    expect(watch.isLow).toBe(false)
    await expect(stat(ballast)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('the marks of a disk', () => {
  const space = (totalBytes: number, percent: number): DiskSpace => {
    return { totalBytes, freeBytes: (totalBytes * percent) / 100 }
  }

  test('lie apart, and giving the ballast up crosses neither', () => {
    for (const totalBytes of [80 * MIB, GIB, 100 * GIB]) {
      expect(isLow(space(totalBytes, DISK_LOW_PERCENT), false)).toBe(false)
      expect(isLow(space(totalBytes, DISK_LOW_PERCENT - 0.1), false)).toBe(true)
      expect(isLow(space(totalBytes, DISK_ROOM_PERCENT - 0.1), true)).toBe(true)
      expect(isLow(space(totalBytes, DISK_ROOM_PERCENT), true)).toBe(false)
      const full = space(totalBytes, 0.9)
      expect(isFull(full)).toBe(true)
      const freeBytes = full.freeBytes + ballastOf(full)
      expect(isLow({ totalBytes, freeBytes }, false)).toBe(true)
    }
  })

  test('the ballast is 64 MiB, or one 32nd of a disk below 2 GiB', () => {
    expect(ballastOf(space(100 * GIB, 50))).toBe(64 * MIB)
    expect(ballastOf(space(2 * GIB, 50))).toBe(64 * MIB)
    expect(ballastOf(space(GIB, 50))).toBe(32 * MIB)
    expect(ballastOf(space(79 * MIB, 50))).toBe(0)
  })
})
