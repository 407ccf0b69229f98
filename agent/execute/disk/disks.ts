import type { Capacity } from '../../../protocol/core/advertisement.ts'
import { diskOf } from '../../../protocol/core/capacity.ts'
import type { Clock } from '../../../protocol/core/ports.ts'
import type { Resources } from '../../../protocol/core/run.ts'
import { JOB_DISK_BYTES_MIN } from '../../../protocol/core/volume-limits.ts'
import type { Log } from '../../../protocol/host/log.ts'
import type { DiskControl } from './disk-control.ts'
import { type DiskRoom, DiskWatchdog, diskRoom } from './disk-watchdog.ts'
import { JobDisk, type JobDiskOptions } from './job-disk.ts'
import { LoopVolumes } from './loop-volumes.ts'

/** Of a trial, which looks after its own. */
export const TRIAL_CLAIM = 'trial'

export interface DisksParts {
  readonly clock: Clock
  readonly log: Log
  /** In place of what `paths` are on. */
  readonly space?: (() => Promise<DiskRoom>) | undefined
}

export interface DisksOptions {
  readonly capacity: Capacity
  /** Asked for each attempt: the trial has its answer only some time after the start. */
  readonly control: () => DiskControl
  /** Where file systems of a fixed size lie. */
  readonly folder: string
  /** Folders on the disks that jobs write to. */
  readonly paths: readonly string[]
}

/** The disk of this host, as far as it is for jobs. */
export class Disks {
  readonly #options: DisksOptions
  readonly #watchdog: DiskWatchdog
  readonly #volumes: LoopVolumes

  constructor({ clock, log, space }: DisksParts, options: DisksOptions) {
    this.#options = options
    this.#volumes = new LoopVolumes(options.folder)
    const ofPaths = (): Promise<DiskRoom> => diskRoom(options.paths)
    this.#watchdog = new DiskWatchdog({ clock, log, space: space ?? ofPaths })
  }

  /** With the disk that a job gets here. */
  resourcesOf(resources: Resources): Resources {
    const bytes = diskOf(resources, this.#options.capacity)
    // A host that is nearly full has next to nothing to share, and may have room again by now.
    return { ...resources, diskBytes: Math.max(bytes, JOB_DISK_BYTES_MIN) }
  }

  diskOf(options: JobDiskOptions): JobDisk {
    const [volumes, watchdog] = [this.#volumes, this.#watchdog]
    return new JobDisk({ control: this.#options.control(), volumes, watchdog }, options)
  }

  /** Removes what was left by processes before this one; gives what could not be removed. */
  async reap(isOwned: (claim: string) => Promise<boolean>): Promise<readonly unknown[]> {
    const failures: unknown[] = []
    for (const claim of await this.#volumes.claims()) {
      if (claim === TRIAL_CLAIM || (await isOwned(claim))) continue
      await this.#volumes.remove(claim).catch((error: unknown) => failures.push(error))
    }
    return failures
  }
}
