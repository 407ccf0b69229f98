import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { causeOf, MeshError } from '../core/errors.ts'

/**
 * Writes the bytes of `path` so that a power cut leaves the old file or the new one, never half.
 */
export async function writeDurable(
  path: string,
  bytes: Uint8Array | string,
  mode = 0o644
): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const file = await open(temporary, 'w', mode)
    try {
      await file.writeFile(bytes)
      // Without this sync the rename can reach the disk before the bytes do.
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw unwritable(dirname(path), error)
  }
}

/** Makes `dir` and its parents, readable by this user alone. Throws STATE_UNWRITABLE. */
export async function makeStateFolder(dir: string): Promise<void> {
  try {
    await makeFolders(dir, 0o700)
    const probe = `${dir}/.writable.${process.pid}`
    await (await open(probe, 'w', 0o600)).close()
    await rm(probe)
  } catch (error) {
    throw unwritable(dir, error)
  }
}

/**
 * Makes `dir` and its parents, each tried twice at most. Node's own recursive mkdir never ends where
 * a parent exists and takes no folder, as below /proc.
 */
export async function makeFolders(dir: string, mode: number): Promise<void> {
  try {
    await makeFolder(dir, mode)
  } catch (error) {
    const parent = dirname(dir)
    if (!isAbsent(error) || parent === dir) throw error
    await makeFolders(parent, mode)
    await makeFolder(dir, mode)
  }
}

async function makeFolder(dir: string, mode: number): Promise<void> {
  try {
    await mkdir(dir, { mode })
  } catch (error) {
    // It is there, made a moment ago by somebody else perhaps: that is all that is wanted.
    const found = isAbsent(error) ? undefined : await stat(dir).catch(() => undefined)
    if (found?.isDirectory() !== true) throw error
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** A new name in a folder is durable only once the folder itself is synced. */
export async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** To be thrown where nothing can be written to `dir`. */
export function unwritable(dir: string, error: unknown): MeshError {
  return new MeshError('STATE_UNWRITABLE', { state: dir, cause: causeOf(error) }, { cause: error })
}
