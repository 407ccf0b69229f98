import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readdir, readFile, realpath, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { runTool } from './rule-tool.ts'

const FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin']
/** `libc.so.6 => /lib/libc.so.6 (0x7f..)`, and the loader, which has no arrow. */
const LIBRARY = /^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/

/** A copy of this host's `nft` with all that it loads, for containers of an image of nothing. */
export interface NftKit {
  /** To be mounted at its place inside. */
  readonly dir: string
  readonly loader: string
}

/** Each by its name in the folder. */
type Files = ReadonlyMap<string, Uint8Array>

/**
 * One folder for each content of `nft` and its libraries; a container mounts it whole. A folder
 * that is there stays as it is: holders that run have it mounted, and are asked with it as long as
 * their jobs run. Those of before an upgrade stay as well, one for each. Throws where this host has
 * no `nft`. Nothing of a job's image is run in its place: whoever wrote that wrote the job.
 */
export async function layNftKit(parent: string): Promise<NftKit> {
  const program = await findNft()
  const said = await runTool('ldd', [program], '')
  const libraries = said.split('\n').flatMap((line) => LIBRARY.exec(line)?.[1] ?? [])
  const loader = libraries.find((path) => /^ld[-.]/.test(basename(path)))
  if (loader === undefined) throw new Error(`${program} loads nothing that could load it`)
  const files = new Map<string, Uint8Array>([['nft', await readFile(program)]])
  for (const path of libraries) files.set(basename(path), await readFile(path))
  const dir = join(parent, `nft-${hashOf(files)}`)
  if (!(await isLaid(dir, files))) await lay(dir, files)
  return { dir, loader: basename(loader) }
}

async function lay(dir: string, files: Files): Promise<void> {
  const draft = `${dir}.${randomBytes(4).toString('hex')}`
  try {
    await mkdir(draft, { recursive: true })
    for (const [name, bytes] of files) await write(join(draft, name), bytes)
    await chmod(draft, 0o755)
    if ((await isPut(draft, dir)) || (await isLaid(dir, files))) return
    // Cut short by a crash: whoever has it mounted keeps it, under its other name.
    await rename(dir, `${draft}.broken`)
    await rename(draft, dir)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** False where another was faster: of two that lay the same, one takes the other's. */
async function isPut(draft: string, dir: string): Promise<boolean> {
  try {
    await rename(draft, dir)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
    throw error
  }
}

/** On the disk before the folder gets its name: a crash must not leave half a library there. */
async function write(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o555)
  try {
    await file.writeFile(bytes)
    await file.chmod(0o555)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function isLaid(dir: string, files: Files): Promise<boolean> {
  const names = await readdir(dir).catch(() => [])
  const found = await Promise.all(
    names.map(async (name) => [name, await readFile(join(dir, name)).catch(() => NONE)] as const)
  )
  return hashOf(new Map(found)) === hashOf(files)
}

const NONE = new Uint8Array()

function hashOf(files: Files): string {
  const digest = (data: string | Uint8Array): string =>
    createHash('sha256').update(data).digest('hex')
  const lines = [...files].map(([name, bytes]) => `${digest(bytes)} ${name}`)
  return digest(lines.sort((a, b) => (a < b ? -1 : 1)).join('\n')).slice(0, 16)
}

async function findNft(): Promise<string> {
  for (const folder of FOLDERS) {
    const found = await realpath(join(folder, 'nft')).catch(() => undefined)
    if (found !== undefined) return found
  }
  throw new Error('nft is not installed')
}
