import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually, mustRun } from '../../deploy/demo/process.ts'

/** MiB: a store, a checkout and some logs fit; too small to be watched, and filled at once. */
const DISK_MIB = 16
/** Down to a page, the smallest that such a disk gives away. */
const FILL_BYTES = [65_536, 4_096]
/** Written at a time. */
const TAKE_BYTES = 1_048_576
/** A guardian looks every few seconds for its agent, and holds its log until it has missed it. */
const UNMOUNT_MS_MAX = 20_000

/** A disk of its own below one folder, in memory, which really is full when it is full. */
export class SmallDisk {
  readonly #dir: string

  private constructor(dir: string) {
    this.#dir = dir
  }

  static async mount(dir: string, sizeMib = DISK_MIB): Promise<SmallDisk> {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    await mustRun('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m,mode=0700`, 'tmpfs', dir])
    return new SmallDisk(dir)
  }

  /** Nothing fits any more, but in the last pages of files that are there. */
  fill(): void {
    const file = openSync(this.#filler, 'a', 0o600)
    try {
      for (const bytes of FILL_BYTES) writeUntilFull(file, Buffer.alloc(bytes))
    } finally {
      closeSync(file)
    }
  }

  /** Takes so many bytes, for real. */
  take(bytes: number): void {
    const file = openSync(this.#filler, 'a', 0o600)
    try {
      for (let left = bytes; left > 0; left -= TAKE_BYTES) {
        writeSync(file, Buffer.alloc(Math.min(TAKE_BYTES, left)))
      }
    } finally {
      closeSync(file)
    }
  }

  async free(): Promise<void> {
    await rm(this.#filler, { force: true })
  }

  /** Once nothing uses it; a mount that stays would outlive the tests. */
  async unmount(): Promise<void> {
    const gone = async (): Promise<true> => {
      await mustRun('umount', [this.#dir])
      return true
    }
    try {
      await eventually('the disk is not used any more', gone, UNMOUNT_MS_MAX, 250)
    } catch (error) {
      // Out of everybody's sight at least; gone with the last process that uses it.
      await mustRun('umount', ['--lazy', this.#dir])
      throw error
    }
  }

  get #filler(): string {
    return join(this.#dir, 'filler')
  }
}

function writeUntilFull(file: number, bytes: Uint8Array): void {
  for (;;) {
    try {
      writeSync(file, bytes)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return
      throw error
    }
  }
}
