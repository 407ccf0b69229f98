import { statfs } from 'node:fs/promises'
import {
  BALLAST_BYTES,
  BALLAST_PARTS_MIN,
  DISK_FULL_PERCENT,
  DISK_LOW_PERCENT,
  DISK_ROOM_PERCENT,
  DISK_WATCHED_BYTES_MIN
} from '../core/limits.ts'
import { DISK_FILE_BYTES_MIN } from '../core/volume-limits.ts'

/** The file system below a folder, for this user. */
export interface DiskSpace {
  readonly totalBytes: number
  readonly freeBytes: number
}

/** Rejects with what the system says. */
export async function diskSpaceOf(dir: string): Promise<DiskSpace> {
  const { blocks, bavail, bsize } = await statfs(dir)
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize }
}

/**
 * The same for whoever makes many files: where a file system has inodes left for less than its free
 * bytes, it has no more room than for such files. Rejects with what the system says.
 */
export async function fileSpaceOf(dir: string): Promise<DiskSpace> {
  const { blocks, bavail, bsize, files, ffree } = await statfs(dir)
  const space = { totalBytes: blocks * bsize, freeBytes: bavail * bsize }
  // Some make inodes as they are needed, and say that they have none.
  if (files === 0) return space
  const freeBytes = ffree * DISK_FILE_BYTES_MIN
  if (freeBytes >= space.freeBytes) return space
  return { totalBytes: Math.min(space.totalBytes, files * DISK_FILE_BYTES_MIN), freeBytes }
}

/** A disk so small that its watermark would say less than a failed write. */
export function isWatched({ totalBytes }: DiskSpace): boolean {
  return totalBytes >= DISK_WATCHED_BYTES_MIN
}

/** `wasLow` is what was said before: between the two marks nothing changes. */
export function isLow(space: DiskSpace, wasLow: boolean): boolean {
  return isWatched(space) && isBelow(space, wasLow ? DISK_ROOM_PERCENT : DISK_LOW_PERCENT)
}

/** True where only the ballast is left to write with. */
export function isFull(space: DiskSpace): boolean {
  return isWatched(space) && isBelow(space, DISK_FULL_PERCENT)
}

/** What a disk of this size keeps back; 0 where it is not watched. */
export function ballastOf(space: DiskSpace): number {
  if (!isWatched(space)) return 0
  return Math.min(BALLAST_BYTES, Math.floor(space.totalBytes / BALLAST_PARTS_MIN))
}

/** True where so many more bytes leave the disk above both marks. */
export function hasRoomFor(space: DiskSpace, bytes: number): boolean {
  const { totalBytes, freeBytes } = space
  return !isBelow({ totalBytes, freeBytes: freeBytes - bytes }, DISK_ROOM_PERCENT)
}

function isBelow({ totalBytes, freeBytes }: DiskSpace, percent: number): boolean {
  return freeBytes * 100 < totalBytes * percent
}
