import type { Dirent } from 'node:fs'
import { constants } from 'node:fs'
import { chmod, copyFile, lstat, mkdir, readdir, readlink, symlink } from 'node:fs/promises'
import { CHECKOUT_BYTES_MAX, CHECKOUT_FILES_MAX } from '../../protocol/core/limits.ts'
import { streamGit } from '../../protocol/host/git.ts'
import { TRUSTING } from './local-place.ts'

const SLASH = Buffer.from('/')
const NUL = 0
/** Repositories within repositories that are looked into. */
const NESTED_MAX = 16

/** Names in Git are bytes: as text those that are no UTF-8 would come out as others. */
function below(folder: Buffer, name: Buffer): Buffer {
  return folder.length === 0 ? name : Buffer.concat([folder, SLASH, name])
}

/** What git tracks there and what it does not ignore, as paths from `root`. */
export async function gitFiles(root: Buffer, signal: AbortSignal, depth = 0): Promise<Buffer[]> {
  const words = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const seen = new Map<string, Buffer>()
  let rest = Buffer.alloc(0)
  await streamGit([...TRUSTING, ...words], { cwd: root.toString(), signal }, (chunk) => {
    const bytes = Buffer.concat([rest, chunk])
    let from = 0
    for (let end = bytes.indexOf(NUL); end >= 0; end = bytes.indexOf(NUL, from)) {
      const path = bytes.subarray(from, end)
      // A file in conflict is listed once for each side.
      seen.set(path.toString('latin1'), path)
      from = end + 1
    }
    rest = bytes.subarray(from)
    return seen.size > CHECKOUT_FILES_MAX ? `has more than ${CHECKOUT_FILES_MAX} files` : undefined
  })
  const files: Buffer[] = []
  for (const path of seen.values()) {
    const bare = path.at(-1) === SLASH[0] ? path.subarray(0, -1) : path
    const whole = below(root, bare)
    const stat = await lstat(whole).catch(() => undefined)
    if (stat?.isDirectory() !== true) {
      if (stat !== undefined) files.push(bare)
      continue
    }
    // A repository of its own, or a submodule: an empty one has no list, and would get ours.
    const isOwn = await lstat(below(whole, Buffer.from('.git'))).then(
      () => true,
      () => false
    )
    if (!isOwn || depth >= NESTED_MAX) continue
    for (const inner of await gitFiles(whole, signal, depth + 1)) files.push(below(bare, inner))
  }
  return files
}

/** All that a plain folder holds. */
export async function folderFiles(root: Buffer, signal: AbortSignal): Promise<Buffer[]> {
  const files: Buffer[] = []
  const folders: Buffer[] = [Buffer.alloc(0)]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted()
    const options = { encoding: 'buffer', withFileTypes: true } as const
    const entries: Dirent<Buffer>[] = await readdir(below(root, folder), options)
    for (const entry of entries) {
      const path = below(folder, entry.name)
      if (entry.isDirectory()) folders.push(path)
      else if (entry.isFile() || entry.isSymbolicLink()) files.push(path)
    }
    if (files.length > CHECKOUT_FILES_MAX) throw tooMany()
  }
  return files
}

/**
 * Copies them as a checkout would lay them out: for everybody to read, links as links. What is gone
 * in the meantime, and what lies behind a link, is left out. Rejects where it is too much.
 */
export async function copyFiles(
  paths: readonly Buffer[],
  root: Buffer,
  target: Buffer,
  signal: AbortSignal
): Promise<void> {
  const folders = new Map<string, Promise<boolean>>()
  const ready = (folder: Buffer): Promise<boolean> => {
    if (folder.length === 0) return Promise.resolve(true)
    const key = folder.toString('latin1')
    const known = folders.get(key)
    if (known !== undefined) return known
    const made = (async () => {
      if (!(await ready(parentOf(folder)))) return false
      const stat = await lstat(below(root, folder)).catch(() => undefined)
      if (stat?.isDirectory() !== true) return false
      await mkdir(below(target, folder), { recursive: true, mode: 0o755 })
      return true
    })()
    folders.set(key, made)
    return made
  }
  let bytes = 0
  for (const path of paths) {
    signal.throwIfAborted()
    if (!(await ready(parentOf(path)))) continue
    bytes += await copyOne(below(root, path), below(target, path))
    if (bytes > CHECKOUT_BYTES_MAX) {
      throw new Error(`its files are over ${CHECKOUT_BYTES_MAX} bytes`)
    }
  }
}

async function copyOne(from: Buffer, to: Buffer): Promise<number> {
  const stat = await lstat(from).catch(() => undefined)
  if (stat?.isSymbolicLink() === true) {
    await symlink(await readlink(from, { encoding: 'buffer' }), to)
    return 0
  }
  if (stat?.isFile() !== true) return 0
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  await chmod(to, (stat.mode & 0o100) === 0 ? 0o644 : 0o755)
  return stat.size
}

function parentOf(path: Buffer): Buffer {
  const slash = path.lastIndexOf(SLASH[0] ?? 0)
  return slash < 0 ? Buffer.alloc(0) : path.subarray(0, slash)
}

function tooMany(): Error {
  return new Error(`it has more than ${CHECKOUT_FILES_MAX} files`)
}
