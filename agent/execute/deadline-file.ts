import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../protocol/core/ports.ts'

/** The name that the guard reads in its lease folder. */
export const DEADLINE_NAME = 'deadline'

/**
 * The folder's name, one per (job, claim): with one per job, a new lease would revive an old
 * container (lease-protocol 4.12.16).
 */
export function leaseName(jobId: string, claimId: string): string {
  return `${jobId}-${claimId}`
}

/** Whole centiseconds as the guard takes them: no sign, no leading zero, no more than counts. */
const DEADLINE = /^[1-9]\d{0,14}$/

/** Boot milliseconds; undefined where there is none, or none that the guard would take. */
export async function readDeadline(folder: string): Promise<number | undefined> {
  try {
    const [text = ''] = (await readFile(join(folder, DEADLINE_NAME), 'latin1')).split('\n')
    return DEADLINE.test(text) ? Number(text) * 10 : undefined
  } catch {
    return undefined
  }
}

type DeadlineClock = Pick<Clock, 'bootMs'>

/** The folder that the guard of one attempt reads, and the guardian with it. */
export class DeadlineFile {
  /** Absolute; mounted read-only into the container. */
  readonly dir: string
  readonly #clock: DeadlineClock
  #written: Promise<void> = Promise.resolve()
  #count = 0
  #removed = false

  private constructor(dir: string, clock: DeadlineClock) {
    this.dir = dir
    this.#clock = clock
  }

  static async create(
    leasesDir: string,
    jobId: string,
    claimId: string,
    clock: DeadlineClock
  ): Promise<DeadlineFile> {
    const dir = join(leasesDir, leaseName(jobId, claimId))
    await mkdir(dir, { recursive: true })
    // The guard is another user than we are: a strict umask would make every deadline unreadable.
    await chmod(dir, 0o755)
    return new DeadlineFile(dir, clock)
  }

  /**
   * Boot-clock milliseconds; the guard sees the old instant or the new one, never half of it. Once
   * the folder is removed there is nobody to tell: a renewal that was under way says nothing more.
   */
  write(deadlineBootMs: number): Promise<void> {
    // One after the other: two renames that race could leave the older deadline in place.
    const next = this.#written.catch(() => undefined).then(() => this.#replace(deadlineBootMs))
    this.#written = next
    return next
  }

  async remove(): Promise<void> {
    this.#removed = true
    await this.#written.catch(() => undefined)
    await rm(this.dir, { recursive: true, force: true })
  }

  async #replace(deadlineBootMs: number): Promise<void> {
    if (this.#removed) return
    this.#count += 1
    const temporary = join(this.dir, `.${DEADLINE_NAME}.${process.pid}.${this.#count}`)
    // Named by the process: a draft that a dead one left is read-only, and may be another user's.
    // Rounded down: the guard must never be later than the holder believes. Below it what this
    // clock says, for a guard whose kernel counts from another instant.
    const lines = [deadlineBootMs, this.#clock.bootMs()].map((ms) => centiseconds(ms))
    await writeFile(temporary, `${lines.join('\n')}\n`)
    await chmod(temporary, 0o444)
    await rename(temporary, join(this.dir, DEADLINE_NAME))
  }
}

function centiseconds(bootMs: number): number {
  return Math.max(0, Math.floor(bootMs / 10))
}
