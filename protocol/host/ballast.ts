import { randomBytes } from 'node:crypto'
import { open, rm, stat } from 'node:fs/promises'

const CHUNK_BYTES = 1_048_576

/**
 * A file that only takes room, so that there is some when the disk is full. Its bytes are random:
 * zeros are no room on a disk that leaves holes or compresses.
 */
export class Ballast {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** Bytes that it holds; 0 where it is not there. */
  async size(): Promise<number> {
    try {
      return (await stat(this.#path)).size
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0
      throw error
    }
  }

  /** Grows it to `bytes`, synced; one that was left half-way goes on. Rejects as the disk does. */
  async fill(bytes: number): Promise<void> {
    const file = await open(this.#path, 'a', 0o600)
    try {
      for (let size = (await file.stat()).size; size < bytes; ) {
        const chunk = randomBytes(Math.min(CHUNK_BYTES, bytes - size))
        await file.appendFile(chunk)
        size += chunk.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true })
  }
}
