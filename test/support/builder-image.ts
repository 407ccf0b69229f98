import { execFile } from 'node:child_process'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { promisify } from 'node:util'
import type { Engine } from '../../agent/execute/engine.ts'
import { busyboxRoot } from '../../deploy/base-image.ts'
import type { LayerEntry } from '../../deploy/image-archive.ts'
import { testImage } from './test-image.ts'

/** buildah and what it starts, of Debian's packages: put there by deploy/engine-tests.sh. */
const PROGRAMS = ['/usr/bin/buildah', '/usr/bin/newuidmap', '/usr/bin/newgidmap']
/** What it takes without a signature: everything, as engines do. */
const POLICY = '{"default":[{"type":"insecureAcceptAnything"}]}'

const CONTAINERFILE = [
  'FROM scratch AS made',
  'COPY busybox /bin/sh',
  'COPY busybox /bin/busybox',
  'RUN /bin/busybox id -u >/who && echo made >/what',
  'FROM scratch',
  'COPY --from=made /bin/sh /bin/sh',
  'COPY --from=made /who /what /',
  'CMD ["/bin/sh"]'
].join('\n')

/** Lays out what an image with a shell, `/what` and `/who` is made of, in two stages. */
export async function containerSource(dir: string): Promise<void> {
  await writeFile(join(dir, 'Containerfile'), CONTAINERFILE)
  await copyFile('/bin/busybox', join(dir, 'busybox'))
}

/** Loads an image with a shell and buildah in it; the result removes it. */
export async function builderImage(engine: Engine, name: string): Promise<() => Promise<void>> {
  const paths = new Set([...PROGRAMS, ...(await Promise.all(PROGRAMS.map(librariesOf))).flat()])
  const files = await Promise.all([...paths].map(fileEntry))
  const texts = [textEntry('etc/containers/policy.json', POLICY)]
  const config = { Env: ['PATH=/bin:/usr/bin'] }
  const bare = [...(await busyboxRoot()), ...files, ...texts]
  const have = new Set(bare.filter(({ kind }) => kind === 'folder').map(({ path }) => path))
  const folders = [...new Set([...files, ...texts].flatMap(({ path }) => above(path)))]
    .filter((path) => !have.has(path))
    .map((path) => ({ kind: 'folder', path, mode: 0o755 }) as const)
  return await testImage(engine, { name, bare: true, entries: [...folders, ...bare], config })
}

function textEntry(path: string, text: string): LayerEntry {
  return { kind: 'file', path, mode: 0o644, bytes: Buffer.from(text) }
}

async function fileEntry(path: string): Promise<LayerEntry> {
  return { kind: 'file', path: path.slice(1), mode: 0o755, bytes: await readFile(path) }
}

/** Where the loader finds them: by `name => /path` and its own line, `/lib64/ld...`. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ldd', [program])
  return [...stdout.matchAll(/(?:=> |^\s+)(\/\S+)/gm)].map(([, path = '']) => path)
}

/** The folders that lead to a path, outermost first. */
function above(path: string): string[] {
  const dir = posix.dirname(path)
  return dir === '.' ? [] : [...above(dir), dir]
}
