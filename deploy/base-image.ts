import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { Engine } from '../agent/execute/engine.ts'
import { nativePlatform } from '../agent/execute/native-platform.ts'
import { reportError } from '../protocol/host/exit.ts'
import { imageArchive, type LayerEntry } from './image-archive.ts'

/*
 * Makes and loads the small image that demo, tests and benchmarks run their jobs in: this host's
 * static busybox with its applets. Nothing is pulled. Safe to run again.
 *   node --import tsx deploy/base-image.ts
 */

export const BASE_IMAGE = 'runner-mesh/busybox:1'

const BUSYBOX = '/bin/busybox'
const LOAD_MS_MAX = 60_000

/** Folders of the root file system; /tmp is everybody's. */
const FOLDERS: readonly (readonly [path: string, mode: number])[] = [
  ['bin', 0o755],
  ['proc', 0o555],
  ['sys', 0o555],
  ['dev', 0o755],
  ['etc', 0o755],
  ['tmp', 0o1777],
  ['root', 0o700],
  ['work', 0o755]
]

/** The root file system: folders, busybox and a link for each of its applets. */
export async function busyboxRoot(busybox = BUSYBOX): Promise<readonly LayerEntry[]> {
  const bytes = await readFile(busybox)
  const { stdout } = await promisify(execFile)(busybox, ['--list'])
  // A link named busybox would replace the program that all links lead to.
  const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')
  return [
    ...FOLDERS.map(([path, mode]) => ({ kind: 'folder', path, mode }) as const),
    { kind: 'file', path: 'bin/busybox', mode: 0o755, bytes },
    ...applets.map((name) => ({ kind: 'link', path: `bin/${name}`, target: 'busybox' }) as const)
  ]
}

/** Loads the image unless exactly it is there already; gives its id. */
export async function ensureBaseImage(engine: Engine): Promise<'loaded' | 'present'> {
  const platform = nativePlatform(await engine.info())
  const entries = await busyboxRoot()
  const config = { Env: ['PATH=/bin'], Cmd: ['/bin/sh'], WorkingDir: '/' }
  const archive = await imageArchive({ name: BASE_IMAGE, platform, entries, config })
  if ((await engine.image(BASE_IMAGE))?.id === archive.id) return 'present'
  await engine.load(archive.stream, AbortSignal.timeout(LOAD_MS_MAX))
  return 'loaded'
}

async function main(): Promise<void> {
  try {
    const done = await ensureBaseImage(Engine.local(process.env['DOCKER_HOST']))
    process.stderr.write(`prepare: image ${BASE_IMAGE} is ${done}\n`)
  } catch (error) {
    process.exitCode = reportError(error, false, process.stderr)
  }
}

if (process.argv[1] === import.meta.filename) await main()
