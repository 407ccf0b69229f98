import { readFile, rm, writeFile } from 'node:fs/promises'

/**
 * The process id beside a state folder. It only names the process that LevelDB's own lock refuses
 * us for: the kernel drops that lock with its process, so a stale pid file can never lock anyone
 * out.
 */
export async function writePid(path: string): Promise<void> {
  await writeFile(path, `${process.pid}\n`, { mode: 0o600 })
}

/** The recorded process, or `unknown`. */
export async function readPid(path: string): Promise<number | 'unknown'> {
  try {
    const pid = Number((await readFile(path, 'utf8')).trim())
    return Number.isSafeInteger(pid) && pid > 0 ? pid : 'unknown'
  } catch {
    return 'unknown'
  }
}

/** Removes the file if it still names this process. */
export async function removePid(path: string): Promise<void> {
  if ((await readPid(path)) === process.pid) await rm(path, { force: true })
}
