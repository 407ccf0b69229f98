import { access, open, readdir, readlink, realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { GPU_ENTRIES_MAX, GPU_FILE_BYTES_MAX } from '../../../protocol/core/gpu-limits.ts'

/** What is not there, and what a driver says of a file that this device has no use for. */
const NOTHING = new Set(['ENOENT', 'ENOTDIR', 'ENODEV', 'ENXIO', 'EINVAL', 'EBUSY', 'ENODATA'])

const NUMBER = /^\d{1,10}$/

/**
 * Files of /proc and /sys below a root folder, one after the other: a driver that hangs holds up
 * one thread of this process, never all of them.
 */
export class HostTree {
  readonly #root: string
  readonly #warnings = new Set<string>()
  #reading = ''

  constructor(root: string) {
    this.#root = root
  }

  /** What is read now; '' for nothing. */
  get reading(): string {
    return this.#reading
  }

  /** What could not be read since this was asked last. */
  takeWarnings(): readonly string[] {
    const taken = [...this.#warnings]
    this.#warnings.clear()
    return taken
  }

  /** Trimmed; undefined where there is no such file, or none that may be read. */
  async text(path: string): Promise<string | undefined> {
    return await this.#read(path, async (full) => {
      const file = await open(full, 'r')
      try {
        const buffer = Buffer.alloc(GPU_FILE_BYTES_MAX)
        let bytes = 0
        // A file of /proc may come in parts.
        for (;;) {
          const { bytesRead } = await file.read(buffer, bytes, buffer.length - bytes, null)
          bytes += bytesRead
          if (bytesRead === 0 || bytes === buffer.length) break
        }
        return buffer.toString('utf8', 0, bytes).trim()
      } finally {
        await file.close()
      }
    })
  }

  /** Sorted; [] where there is no such folder. */
  async names(path: string): Promise<readonly string[]> {
    const names = await this.#read(path, (full) => readdir(full))
    return (names ?? []).sort().slice(0, GPU_ENTRIES_MAX)
  }

  /** Entries that are numbers, as processes and open files are: the lowest, at most `max`. */
  async numbers(path: string, max: number): Promise<readonly number[]> {
    const names = await this.#read(path, (full) => readdir(full))
    const numbers = (names ?? []).filter((name) => NUMBER.test(name)).map(Number)
    return numbers.sort((a, b) => a - b).slice(0, max)
  }

  /** Last name of what a link leads to. */
  async target(path: string): Promise<string | undefined> {
    return await this.#read(path, async (full) => basename(await realpath(full)))
  }

  /** What a link says, whether or not it leads anywhere. */
  async link(path: string): Promise<string | undefined> {
    return await this.#read(path, (full) => readlink(full))
  }

  /** Folders in a folder, sorted; links are none. */
  async folders(path: string): Promise<readonly string[]> {
    const entries = await this.#read(path, (full) => readdir(full, { withFileTypes: true }))
    const names = (entries ?? []).filter((entry) => entry.isDirectory()).map(({ name }) => name)
    return names.sort().slice(0, GPU_ENTRIES_MAX)
  }

  async has(path: string): Promise<boolean> {
    const found = await this.#read(path, async (full) => {
      await access(full)
      return true
    })
    return found === true
  }

  /** A whole number of at least 0; undefined for anything else, -1 for one. */
  async number(path: string): Promise<number | undefined> {
    const text = (await this.text(path)) ?? ''
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    return Number.isSafeInteger(value) ? value : undefined
  }

  async #read<T>(path: string, read: (full: string) => Promise<T>): Promise<T | undefined> {
    this.#reading = `/${path}`
    try {
      return await read(join(this.#root, path))
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
      if (!NOTHING.has(code)) this.#warnings.add(`/${path} cannot be read: ${code}`)
      return undefined
    } finally {
      this.#reading = ''
    }
  }
}
