import type { Resources } from '../../../protocol/core/run.ts'
import type { Log } from '../../../protocol/host/log.ts'
import type { Container } from '../container.ts'
import type { Services } from '../services/services.ts'
import { tooLarge } from '../unpacking.ts'
import type { DiskBreach } from './disk-watchdog.ts'
import type { JobDisk } from './job-disk.ts'
import { type Ask, isVolumeFull, treeBytes } from './volume-questions.ts'

export interface BoxDiskParts {
  readonly jobId: string
  readonly resources: Resources
  readonly container: Pick<Container, 'kill' | 'layerBytes'>
  readonly services: Pick<Services, 'diskBytes'>
  readonly ask: Ask
  readonly log: Log
}

/** What the disk has to do with one box: its file system, and its end where it takes too much. */
export class BoxDisk {
  readonly #parts: BoxDiskParts
  /** Absent where all that the box writes is in memory. */
  readonly #disk: JobDisk | undefined
  #unwatch: (() => void) | undefined
  #breach: DiskBreach | undefined

  constructor(parts: BoxDiskParts, disk: JobDisk | undefined) {
    this.#parts = parts
    this.#disk = disk
  }

  /** Why the box was ended by us; undefined while it was not. */
  get breach(): DiskBreach | undefined {
    return this.#breach
  }

  async open(): Promise<void> {
    await this.#disk?.open()
  }

  async started(): Promise<void> {
    await this.#disk?.started()
    this.watch()
  }

  watch(): void {
    const { jobId, container, services, ask } = this.#parts
    this.#unwatch = this.#disk?.watch({
      jobId,
      layerBytes: () => container.layerBytes(),
      treeBytes: (places) => treeBytes(ask, places),
      besideBytes: () => services.diskBytes(),
      end: (breach) => this.#end(breach)
    })
  }

  unwatch(): void {
    this.#unwatch?.()
  }

  async remove(): Promise<void> {
    await this.#disk?.remove()
  }

  /** Throws for a box that was ended while its source was laid out. */
  throwIfBreached(cause: unknown): void {
    if (this.#breach === undefined) return
    if (this.#breach.kind === 'limit') throw tooLarge('disk', this.#parts.resources, cause)
    // By these words it is the host's fault, which rests until it has room again.
    throw new Error('no space left on device: the disk of the engine is nearly full', { cause })
  }

  /** False where it cannot be told: a box without room for one process more, say. */
  async isFull(place: string): Promise<boolean> {
    if (this.#disk === undefined) return false
    return await isVolumeFull(this.#parts.ask, place, this.#disk.bytes).catch(() => false)
  }

  #end(breach: DiskBreach): void {
    const { jobId, container, log } = this.#parts
    this.#breach = breach
    container.kill().catch((error: unknown) => {
      log.error({ job: jobId, err: error }, 'job over its disk not killed')
    })
  }
}
