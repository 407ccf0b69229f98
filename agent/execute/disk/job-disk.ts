import type { DiskControl } from './disk-control.ts'
import type { DiskBreach, DiskWatchdog } from './disk-watchdog.ts'
import type { LoopVolumes } from './loop-volumes.ts'

/** How a volume on the disk is kept to its size. */
export type DiskVolume =
  | { readonly kind: 'device'; readonly path: string }
  | { readonly kind: 'quota'; readonly bytes: number }

/** What only the box itself can tell of what is written in it. */
export interface BoxDisk {
  readonly jobId: string
  /** Bytes of the container's own layer. */
  layerBytes(): Promise<number>
  /** Bytes below these places of the container. */
  treeBytes(places: readonly string[]): Promise<number>
  /** Bytes of what is beside it, which counts as the job's. */
  besideBytes(): Promise<number>
  end(breach: DiskBreach): void
}

export interface JobDiskParts {
  readonly control: DiskControl
  readonly volumes: LoopVolumes
  readonly watchdog: DiskWatchdog
}

export interface JobDiskOptions {
  readonly claimId: string
  readonly bytes: number
  /** Number of the user and group that root in the box is on the host. */
  readonly owner: number
  readonly workspace: string
  /** Places for which the engine makes volumes of its own, which nothing limits. */
  readonly imageVolumes: readonly string[]
}

/** The disk of one attempt: what its workspace lies on, and what is counted of the rest. */
export class JobDisk {
  readonly bytes: number
  readonly #parts: JobDiskParts
  readonly #options: JobDiskOptions

  constructor(parts: JobDiskParts, options: JobDiskOptions) {
    this.bytes = options.bytes
    this.#parts = parts
    this.#options = options
  }

  /** Undefined where the workspace is a folder of the engine's. */
  get volume(): DiskVolume | undefined {
    const { claimId, bytes } = this.#options
    const { control, volumes } = this.#parts
    if (control === 'quota') return { kind: 'quota', bytes }
    return control === 'loop' ? { kind: 'device', path: volumes.device(claimId) } : undefined
  }

  /** Before the container is started. */
  async open(): Promise<void> {
    const { claimId, bytes, owner } = this.#options
    const { control, volumes } = this.#parts
    if (control === 'loop') await volumes.make(claimId, bytes, owner)
  }

  /** Once the container is started. */
  async started(): Promise<void> {
    await this.#parts.volumes.release(this.#options.claimId)
  }

  /** Until the returned function is called. */
  watch(box: BoxDisk): () => void {
    const { jobId, end } = box
    const usedBytes = async (): Promise<number> => await this.#usedBytes(box)
    return this.#parts.watchdog.watch({ jobId, limitBytes: this.bytes, usedBytes, end })
  }

  /**
   * Resolves once nothing of it is left; the container and its volumes are gone by then. Whatever
   * keeps jobs to their disk now: an agent before this one may have made it otherwise.
   */
  async remove(): Promise<void> {
    await this.#parts.volumes.remove(this.#options.claimId)
  }

  async #usedBytes(box: BoxDisk): Promise<number> {
    const { claimId, workspace, imageVolumes } = this.#options
    const { volumes, control } = this.#parts
    const places = [...(control === 'watch' ? [workspace] : []), ...imageVolumes]
    const [layer, trees, image, beside] = await Promise.all([
      // A layer with a quota of its own needs no second one.
      control === 'quota' ? 0 : box.layerBytes(),
      places.length === 0 ? 0 : box.treeBytes(places),
      control === 'loop' ? volumes.usedBytes(claimId) : 0,
      box.besideBytes()
    ])
    return layer + trees + image + beside
  }
}
