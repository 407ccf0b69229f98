import prettyBytes from 'pretty-bytes'
import { causeOf, MeshError } from '../core/errors.ts'
import { DISK_CHECK_EVERY_MS, DISK_LOW_PERCENT, DISK_ROOM_PERCENT } from '../core/limits.ts'
import type { Clock } from '../core/ports.ts'
import { Ballast } from './ballast.ts'
import { ballastOf, type DiskSpace, diskSpaceOf, hasRoomFor, isFull, isLow } from './disk-space.ts'
import type { Log } from './log.ts'

export interface DiskWatchParts {
  readonly clock: Clock
  readonly log: Log
}

export interface DiskWatchOptions {
  readonly state: string
  /** File that keeps room back. */
  readonly ballast: string
}

/**
 * The disk below a state folder: says when nothing new may be begun on it, and gives the ballast up
 * when it is full. What was begun goes on: it needs little, and its end makes room.
 */
export class DiskWatch {
  readonly #parts: DiskWatchParts
  readonly #state: string
  readonly #ballast: Ballast
  readonly #listeners = new Set<() => void>()
  #space: DiskSpace | undefined
  #isLow = false
  #disarm: () => void = () => undefined
  #looking: Promise<void> = Promise.resolve()
  #isStopped = false

  private constructor(parts: DiskWatchParts, { state, ballast }: DiskWatchOptions) {
    this.#parts = parts
    this.#state = state
    this.#ballast = new Ballast(ballast)
  }

  /**
   * With one look, before anything else is written: a full disk has its ballast back then. One that
   * has room gets its ballast at the next look: a start must not wait until that much is written.
   */
  static async open(parts: DiskWatchParts, options: DiskWatchOptions): Promise<DiskWatch> {
    const watch = new DiskWatch(parts, options)
    await watch.look()
    return watch
  }

  start(): void {
    if (this.#isStopped) return
    this.#disarm = this.#parts.clock.arm(DISK_CHECK_EVERY_MS, () => {
      this.#looking = this.look().finally(() => this.start())
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#disarm()
    await this.#looking
  }

  /** Nothing new may be begun. */
  get isLow(): boolean {
    return this.#isLow
  }

  /** Why nothing new may be begun; undefined where it may. */
  get problem(): MeshError | undefined {
    if (!this.#isLow) return undefined
    return new MeshError('DISK_LOW', {
      state: this.#state,
      free: prettyBytes(this.#space?.freeBytes ?? 0),
      total: prettyBytes(this.#space?.totalBytes ?? 0),
      percent: DISK_LOW_PERCENT,
      again: DISK_ROOM_PERCENT
    })
  }

  /** The returned function ends the listening. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Never rejects: a disk that does not answer is the store's to find out. */
  async look(): Promise<void> {
    try {
      const found = await diskSpaceOf(this.#state)
      const space = await this.#spaceWithBallast(found).catch((error: unknown) => {
        // What is free is known all the same, and whoever asks must be told.
        this.#parts.log.warn({ cause: causeOf(error) }, 'ballast not kept')
        return found
      })
      this.#space = space
      const low = isLow(space, this.#isLow)
      if (low === this.#isLow) return
      this.#isLow = low
      this.#parts.log[low ? 'error' : 'info'](space, low ? 'disk nearly full' : 'disk has room')
      for (const listener of this.#listeners) listener()
    } catch (error) {
      this.#parts.log.warn({ cause: causeOf(error) }, 'disk not looked at')
    }
  }

  async #spaceWithBallast(space: DiskSpace): Promise<DiskSpace> {
    const { log } = this.#parts
    const held = await this.#ballast.size()
    if (isFull(space)) {
      if (held === 0) return space
      await this.#ballast.release()
      log.warn({ bytes: held }, 'ballast given up')
      return await diskSpaceOf(this.#state)
    }
    const isFirst = this.#space === undefined
    const wanted = ballastOf(space)
    const missing = isFirst ? 0 : wanted - held
    if (missing <= 0 || !hasRoomFor(space, missing)) return space
    await this.#ballast.fill(wanted)
    log.info({ bytes: wanted }, 'ballast taken')
    return await diskSpaceOf(this.#state)
  }
}
