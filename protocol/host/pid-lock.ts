import { readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { unwritable } from './durable-file.ts'

/**
 * The process id beside a state folder. It only names the process that LevelDB's own lock refuses
 * us for: the kernel drops that lock with its process, so a stale pid file can never lock anyone
 * out. Throws STATE_UNWRITABLE.
 */
export async function writePid(path: string): Promise<void> {
  try {
    await writeFile(path, `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    throw unwritable(dirname(path), error)
  }
}

/** The recorded process, or `unknown`. */
export async function readPid(path: string): Promise<number | 'unknown'> {
  try {
    const pid = Number((await readFile(path, 'utf8')).trim())
    // Left by a daemon that was killed, it would name a process that does not exist, or never did.
    return Number.isSafeInteger(pid) && pid > 0 && isAlive(pid) ? pid : 'unknown'
  } catch {
    return 'unknown'
  }
}

/** Removes the file if it still names this process. */
export async function removePid(path: string): Promise<void> {
  if ((await readPid(path)) === process.pid) await rm(path, { force: true })
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
