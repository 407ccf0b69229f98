import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readDeadline } from '../execute/deadline-file.ts'
import type { Leases } from './overdue.ts'

/** The lease folders of one agent, as its guardian sees them. */
export class LeaseFolders {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  /** All of them with their deadlines. Rejects where the folder above them is not readable. */
  async read(): Promise<Leases> {
    const names = await readdir(this.#dir).catch((error: unknown) => {
      // No job has ever been held here.
      if (isAbsent(error)) return []
      throw error
    })
    const leases = names.map(async (name) => {
      return [name, await readDeadline(join(this.#dir, name))] as const
    })
    return new Map(await Promise.all(leases))
  }

  /** For a lease that is over: a guard that still reads its folder ends with it. */
  async remove(lease: string): Promise<void> {
    await rm(join(this.#dir, lease), { recursive: true, force: true })
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
