import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, realpath, rename, rm } from 'node:fs/promises'
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

/**
 * Copies it once for each version; a container mounts the folder whole. Throws where this host has
 * no `nft`. Nothing of a job's image is run in its place: whoever wrote that wrote the job.
 */
export async function layNftKit(parent: string): Promise<NftKit> {
  const program = await findNft()
  const said = await runTool('ldd', [program], '')
  const libraries = said.split('\n').flatMap((line) => LIBRARY.exec(line)?.[1] ?? [])
  const loader = libraries.find((path) => /\/ld[-.]/.test(basename(path)) || /\/ld-/.test(path))
  if (loader === undefined) throw new Error(`${program} loads nothing that could load it`)
  const hash = createHash('sha256')
    .update(said.replace(/\(0x[0-9a-f]+\)/g, ''))
    .digest('hex')
  const dir = join(parent, `nft-${hash.slice(0, 8)}`)
  const draft = `${dir}.${process.pid}`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { recursive: true })
  await copyFile(program, join(draft, 'nft'))
  for (const path of libraries) await copyFile(await realpath(path), join(draft, basename(path)))
  for (const name of ['nft', basename(loader)]) await chmod(join(draft, name), 0o555)
  await chmod(draft, 0o755)
  // Containers that run have the folder of before; new ones get this.
  await rm(dir, { recursive: true, force: true })
  await rename(draft, dir)
  return { dir, loader: basename(loader) }
}

async function findNft(): Promise<string> {
  for (const folder of FOLDERS) {
    const found = await realpath(join(folder, 'nft')).catch(() => undefined)
    if (found !== undefined) return found
  }
  throw new Error('nft is not installed')
}
