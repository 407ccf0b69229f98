import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MeshError } from '../core/errors.ts'
import { FILE_LOCK_MS_MAX } from '../core/limits.ts'
import { unwritable } from './durable-file.ts'

/** Milliseconds between two looks whether a lock is free. */
const LOOK_EVERY_MS = 20

export interface FileLockOptions {
  /** FILE_LOCK_MS_MAX when absent. */
  readonly waitMsMax?: number | undefined
}

/**
 * Runs `change`, which reads and replaces the file `path`, while nobody else does: without it the
 * second of two commands writes back what the first has changed. The lock is `path.lock` with the
 * process that holds it; that of a process that died is taken over. Rejects with FILE_LOCKED after
 * the wait, STATE_UNWRITABLE, and with what `change` rejects with.
 */
export async function withFileLock<Result>(
  path: string,
  change: () => Promise<Result>,
  options: FileLockOptions = {}
): Promise<Result> {
  const lock = `${path}.lock`
  await acquire(path, lock, options.waitMsMax ?? FILE_LOCK_MS_MAX)
  try {
    return await change()
  } finally {
    await rm(lock, { force: true })
  }
}

async function acquire(path: string, lock: string, waitMsMax: number): Promise<void> {
  for (let waitedMs = 0; !(await place(lock)); waitedMs += LOOK_EVERY_MS) {
    const holder = await readText(lock)
    if ((await isDead(holder)) && (await clear(lock, holder))) continue
    if (waitedMs >= waitMsMax) {
      throw new MeshError('FILE_LOCKED', { file: path, pid: pidOf(holder), lock })
    }
    await pause(LOOK_EVERY_MS)
  }
}

let placed = 0

/** True once `lock` names this process, false where it is there already. */
async function place(lock: string): Promise<boolean> {
  placed += 1
  const temporary = `${lock}.${process.pid}.${placed}`
  try {
    await writeFile(temporary, `${process.pid} ${await startOf(process.pid)}\n`, { flag: 'wx' })
    // Whole from its first moment: a lock that is still empty would look like nobody's.
    await link(temporary, lock)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw unwritable(dirname(lock), error)
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined)
  }
}

/** Removes the lock of a dead process; false where another is about to. */
async function clear(lock: string, dead: string): Promise<boolean> {
  const right = `${lock}.clearing`
  // One at a time: else the second removes the lock that was placed after the first had cleared.
  // Who dies in here leaves `right` behind: then a person is told, nothing is taken from anybody.
  if (!(await place(right))) return false
  try {
    if ((await readText(lock)) === dead) await rm(lock, { force: true })
    return true
  } finally {
    await rm(right, { force: true })
  }
}

/** False, too, for a text that names no process. */
async function isDead(holder: string): Promise<boolean> {
  const [, pid = '', start = ''] = /^(\d+) (\d*)\n$/.exec(holder) ?? []
  if (pid === '') return false
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    // EPERM is a process of another user.
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
  // The number may be another process's by now.
  const found = await startOf(Number(pid))
  return start !== '' && found !== '' && found !== start
}

/** When the process began, in ticks since boot; '' where the system does not say. */
async function startOf(pid: number): Promise<string> {
  const stat = await readText(`/proc/${pid}/stat`)
  // The name in parentheses may hold spaces: field 22 is the 20th behind it.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

function pidOf(holder: string): string {
  return /^\d+/.exec(holder)?.[0] ?? 'unknown'
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}
