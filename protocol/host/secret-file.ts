import { constants } from 'node:fs'
import { link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { causeOf, MeshError } from '../core/errors.ts'
import { syncFolder } from './durable-file.ts'

/** Bytes of one secret file; keys have 68, hook secrets about 50. */
const SECRET_BYTES_MAX = 4_096

const GROUP_OR_OTHERS = 0o077

/**
 * Bytes of a key or secret. Throws STATE_ABSENT, KEY_MODE_WIDE for a file that group or others may
 * touch, KEY_INVALID for one that is empty, too long or no regular file.
 */
export async function readSecretFile(
  path: string,
  bytesMax = SECRET_BYTES_MAX
): Promise<Uint8Array> {
  const file = await openSecret(path)
  try {
    // The open file is looked at, not its name: nobody can swap it between the check and the read.
    const found = await file.stat()
    if (!found.isFile())
      throw new MeshError('KEY_INVALID', { file: path, cause: 'no regular file' })
    if ((found.mode & GROUP_OR_OTHERS) !== 0) {
      const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
      throw new MeshError('KEY_MODE_WIDE', { file: path, found: mode })
    }
    if (found.size === 0 || found.size > bytesMax) {
      throw new MeshError('KEY_INVALID', { file: path, cause: `${found.size} bytes` })
    }
    return new Uint8Array(await file.readFile())
  } finally {
    await file.close()
  }
}

/** Makes `path` with mode 0600 and syncs it. Throws STATE_EXISTS: a key is never overwritten. */
export async function writeSecretFile(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    // link() refuses an existing name, rename() would silently replace another key.
    await link(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    throw secretProblem(path, error)
  } finally {
    // ENOTDIR where the folder is a file: the error above already says so.
    await rm(temporary, { force: true }).catch(() => undefined)
  }
}

async function openSecret(path: string) {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    throw secretProblem(path, error)
  }
}

function secretProblem(path: string, error: unknown): MeshError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const state = dirname(path)
  const file = path.slice(state.length + 1)
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    const fix = 'run the id or init command first, or name another --state'
    return new MeshError('STATE_ABSENT', { state, file, fix }, { cause: error })
  }
  if (code === 'EEXIST') return new MeshError('STATE_EXISTS', { state, file }, { cause: error })
  return new MeshError('STATE_UNWRITABLE', { state, cause: causeOf(error) }, { cause: error })
}
