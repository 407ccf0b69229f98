import { IMAGE_DROP_FAILURES_MAX, IMAGE_SWEEP_EVERY_MS } from '../../protocol/core/image-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { DiskSpace } from '../../protocol/host/disk-space.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Images } from './images.ts'
import type { PulledImages } from './pulled-images.ts'

export interface ImageSweepParts {
  readonly images: Pick<Images, 'drop' | 'tidy'>
  readonly pulled: Pick<PulledImages, 'all'>
  /** The file system that the engine keeps images on. */
  readonly disk: () => Promise<DiskSpace>
  readonly clock: Pick<Clock, 'arm'>
  readonly log: Log
}

/** Per cent of the disk in use. */
export interface Watermarks {
  readonly cleanAbove: number
  readonly cleanTo: number
}

/**
 * Makes room on the engine's disk: of what this agent has pulled, what was used longest ago goes
 * first.
 * What it has not pulled, what has a name, and what a container or an attempt uses stays.
 */
export class ImageSweep {
  readonly #parts: ImageSweepParts
  readonly #marks: Watermarks
  #disarm: () => void = () => undefined
  #looking: Promise<unknown> = Promise.resolve()
  #isStopped = false

  constructor(parts: ImageSweepParts, marks: Watermarks) {
    this.#parts = parts
    this.#marks = marks
  }

  start(): void {
    if (this.#isStopped) return
    this.#disarm = this.#parts.clock.arm(IMAGE_SWEEP_EVERY_MS, () => {
      const onFailure = (error: unknown): void => {
        this.#parts.log.warn({ err: error }, 'images not looked at')
      }
      this.#looking = this.look()
        .catch(onFailure)
        .finally(() => this.start())
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#disarm()
    await this.#looking
  }

  /**
   * Gives the ids of what was removed. Throws what engine and system say of the disk, and of images
   * once too many are left.
   */
  async look(): Promise<readonly string[]> {
    const { images, pulled, disk, log } = this.#parts
    const removed: string[] = []
    let failures = 0
    await images.tidy().catch((error: unknown) => {
      log.warn({ err: error }, 'images of earlier processes not removed')
    })
    if (usedPercent(await disk()) <= this.#marks.cleanAbove) return removed
    for (const { imageId, reference } of pulled.all) {
      if (this.#isStopped) break
      try {
        if (!(await images.drop(imageId))) continue
      } catch (error) {
        failures += 1
        if (failures >= IMAGE_DROP_FAILURES_MAX) throw error
        log.warn({ image: reference, id: imageId, err: error }, 'image not removed')
        continue
      }
      removed.push(imageId)
      log.info({ image: reference, id: imageId }, 'image removed to make room')
      if (usedPercent(await disk()) <= this.#marks.cleanTo) break
    }
    return removed
  }
}

function usedPercent({ totalBytes, freeBytes }: DiskSpace): number {
  return totalBytes === 0 ? 0 : 100 - (freeBytes * 100) / totalBytes
}
