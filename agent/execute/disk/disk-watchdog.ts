import type { Clock } from '../../../protocol/core/ports.ts'
import {
  DISK_COUNT_BYTES,
  DISK_COUNT_EVERY_MS,
  DISK_COUNT_MS_MAX,
  DISK_FLOOR_BYTES,
  DISK_FLOOR_PARTS_MIN,
  DISK_LOOK_EVERY_MS
} from '../../../protocol/core/volume-limits.ts'
import { fileSpaceOf } from '../../../protocol/host/disk-space.ts'
import type { Log } from '../../../protocol/host/log.ts'

/** Why a job is ended for the disk. */
export type DiskBreach =
  /** It took more than it may. */
  | { readonly kind: 'limit'; readonly usedBytes: number }
  /** The host's disk is nearly full, and of all jobs this one took most. */
  | { readonly kind: 'floor'; readonly usedBytes: number; readonly freeBytes: number }

export interface WatchedBox {
  readonly jobId: string
  readonly limitBytes: number
  /** Bytes of the engine's disk that it takes; rejects where that cannot be told now. */
  usedBytes(): Promise<number>
  /** Called once. */
  end(breach: DiskBreach): void
}

export interface DiskRoom {
  readonly freeBytes: number
  readonly floorBytes: number
}

export interface DiskWatchdogParts {
  readonly clock: Clock
  readonly log: Log
  /** Of the fullest of the disks that jobs write to. */
  readonly space: () => Promise<DiskRoom>
}

/**
 * Ends jobs that take more disk than they may, and the largest one before the disk is full. How
 * much is free is looked at often, since that is cheap. What each job takes is counted every
 * DISK_COUNT_EVERY_MS, and at once when the disk has filled up by DISK_COUNT_BYTES: a fast writer
 * has no more time than a slow one has room.
 */
export class DiskWatchdog {
  readonly #parts: DiskWatchdogParts
  /** Those that were ended are away. */
  readonly #boxes = new Set<WatchedBox>()
  #disarm: (() => void) | undefined
  #looking = false
  #countedAtMs = Number.NEGATIVE_INFINITY
  #countedFreeBytes = 0
  /** When the last one was ended to make room, which takes its time. */
  #madeRoomAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: DiskWatchdogParts) {
    this.#parts = parts
  }

  /** Until the returned function is called. */
  watch(box: WatchedBox): () => void {
    this.#boxes.add(box)
    this.#arm()
    return () => void this.#boxes.delete(box)
  }

  #arm(): void {
    if (this.#looking || this.#disarm !== undefined || this.#boxes.size === 0) return
    this.#disarm = this.#parts.clock.arm(DISK_LOOK_EVERY_MS, () => {
      this.#disarm = undefined
      this.#looking = true
      void this.#look().finally(() => {
        this.#looking = false
        this.#arm()
      })
    })
  }

  async #look(): Promise<void> {
    try {
      const { clock, space } = this.#parts
      const { freeBytes, floorBytes } = await space()
      const isLow = freeBytes < floorBytes
      const isDue = clock.bootMs() - this.#countedAtMs >= DISK_COUNT_EVERY_MS
      const isFaster = this.#countedFreeBytes - freeBytes >= DISK_COUNT_BYTES
      if (!isLow && !isDue && !isFaster) return
      this.#countedAtMs = clock.bootMs()
      this.#countedFreeBytes = freeBytes
      const counted = await this.#count()
      if (isLow) this.#makeRoom(counted, freeBytes)
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'disk of jobs not looked at')
    }
  }

  /** Ends those that are over their own limit; gives what each of the others takes. */
  async #count(): Promise<ReadonlyMap<WatchedBox, number>> {
    const within = new Map<WatchedBox, number>()
    await Promise.all(
      [...this.#boxes].map(async (box) => {
        try {
          const usedBytes = await this.#inTime(box.usedBytes())
          if (usedBytes > box.limitBytes) this.#end(box, { kind: 'limit', usedBytes })
          else within.set(box, usedBytes)
        } catch (error) {
          // A box that ends just now; or one that does not want to be counted, which must not leave
          // the others to make room for it.
          within.set(box, Number.POSITIVE_INFINITY)
          this.#parts.log.debug({ job: box.jobId, err: error }, 'disk of a job not counted')
        }
      })
    )
    return within
  }

  /** One at a time: removing what it wrote takes a while, and may be enough. */
  #makeRoom(counted: ReadonlyMap<WatchedBox, number>, freeBytes: number): void {
    const nowMs = this.#parts.clock.bootMs()
    if (nowMs - this.#madeRoomAtMs < DISK_COUNT_EVERY_MS) return
    const [largest] = [...counted].sort(([, one], [, other]) => other - one)
    // Where no job takes much, it is somebody else who fills the disk, and no end would help.
    if (largest === undefined || largest[1] < DISK_COUNT_BYTES) return
    this.#madeRoomAtMs = nowMs
    const [box, usedBytes] = largest
    const known = Number.isFinite(usedBytes) ? usedBytes : box.limitBytes
    this.#end(box, { kind: 'floor', usedBytes: known, freeBytes })
  }

  /** A job that writes very many files makes its count last; the others' must not wait for it. */
  async #inTime(counting: Promise<number>): Promise<number> {
    let disarm = (): void => undefined
    const late = new Promise<never>((_, reject) => {
      disarm = this.#parts.clock.arm(DISK_COUNT_MS_MAX, () =>
        reject(new Error('it takes too long'))
      )
    })
    return await Promise.race([counting, late]).finally(() => disarm())
  }

  #end(box: WatchedBox, breach: DiskBreach): void {
    if (!this.#boxes.delete(box)) return
    this.#parts.log.warn({ job: box.jobId, ...breach }, 'job ended for the disk it takes')
    box.end(breach)
  }
}

/**
 * Of the file system among these that has least above its floor, in bytes or in files, whichever
 * are fewer. Rejects if one has no answer.
 */
export async function diskRoom(paths: readonly string[]): Promise<DiskRoom> {
  const spaces = await Promise.all(
    paths.map(async (path) => {
      const { totalBytes, freeBytes } = await fileSpaceOf(path)
      const part = Math.floor(totalBytes / DISK_FLOOR_PARTS_MIN)
      return { freeBytes, floorBytes: Math.min(DISK_FLOOR_BYTES, part) }
    })
  )
  const room = ({ freeBytes, floorBytes }: DiskRoom): number => freeBytes - floorBytes
  return spaces.reduce((one, other) => (room(other) < room(one) ? other : one))
}
