import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DEADLINE_NAME } from '../execute/deadline-file.ts'
import type { Leases } from './overdue.ts'

/** Whole centiseconds as the guard takes them: no sign, no leading zero, no more than counts. */
const DEADLINE = /^[1-9]\d{0,14}$/

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

/** Removes what dead processes have left; for an agent that holds nothing yet. */
export async function clearLeases(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true })
}

async function readDeadline(folder: string): Promise<number | undefined> {
  try {
    const text = (await readFile(join(folder, DEADLINE_NAME), 'latin1')).trim()
    return DEADLINE.test(text) ? Number(text) * 10 : undefined
  } catch {
    return undefined
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
