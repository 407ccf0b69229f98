import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type Header, pack } from 'tar-stream'

/** One entry of an image's only layer, in order; a folder comes before what is in it. */
export type LayerEntry =
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly bytes: Buffer }

export interface ImageParts {
  /** `name:tag` */
  readonly name: string
  /** `os/arch[/variant]` */
  readonly platform: string
  readonly entries: readonly LayerEntry[]
  /** The image's `Config`: Env, Cmd, User and so on. */
  readonly config: Readonly<Record<string, unknown>>
}

export interface ImageArchive {
  /** The id that the engine gives it: the digest of its configuration. */
  readonly id: string
  /** A docker-archive, as `docker load` takes it. */
  readonly stream: Readable
}

export interface ImageBlobs {
  /** The digest of the configuration, which engines take for the image's id: 64 hex digits. */
  readonly hash: string
  readonly config: Buffer
  /** The only layer, as a tar archive. */
  readonly layer: Buffer
}

/** Equal parts give equal bytes: no entry carries the time of its making. */
const EPOCH = new Date(0)

/** What an image of one layer is made of. */
export async function imageBlobs(parts: Omit<ImageParts, 'name'>): Promise<ImageBlobs> {
  const layer = await tarOf(parts.entries)
  const [os = '', architecture = '', variant] = parts.platform.split('/')
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      ...(variant === undefined ? {} : { variant }),
      os,
      created: EPOCH.toISOString(),
      config: parts.config,
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
      history: [{ created: EPOCH.toISOString(), created_by: 'runner-mesh' }]
    })
  )
  return { hash: sha256(config), config, layer }
}

/**
 * Packs an image of one layer. With its own configuration and not by `docker import`, which says
 * amd64 of everything on older engines.
 */
export async function imageArchive(parts: ImageParts): Promise<ImageArchive> {
  const { hash, config, layer } = await imageBlobs(parts)
  const manifest = [{ Config: `${hash}.json`, RepoTags: [parts.name], Layers: ['layer.tar'] }]
  const archive = await tarOf([
    { kind: 'file', path: 'layer.tar', mode: 0o644, bytes: layer },
    { kind: 'file', path: `${hash}.json`, mode: 0o644, bytes: config },
    {
      kind: 'file',
      path: 'manifest.json',
      mode: 0o644,
      bytes: Buffer.from(JSON.stringify(manifest))
    }
  ])
  return { id: `sha256:${hash}`, stream: Readable.from([archive]) }
}

async function tarOf(entries: readonly LayerEntry[]): Promise<Buffer> {
  const tar = pack()
  const bytes = buffer(tar)
  for (const entry of entries) {
    await new Promise<void>((resolve, reject) => {
      const content = entry.kind === 'file' ? entry.bytes : Buffer.alloc(0)
      tar.entry(headers(entry), content, (error) => (error ? reject(error) : resolve()))
    })
  }
  tar.finalize()
  return await bytes
}

function headers(entry: LayerEntry): Partial<Header> & Pick<Header, 'name'> {
  const common = { name: entry.path, uid: 0, gid: 0, mtime: EPOCH }
  if (entry.kind === 'link') {
    return { ...common, type: 'symlink', linkname: entry.target, mode: 0o777 }
  }
  const type = entry.kind === 'folder' ? 'directory' : 'file'
  return { ...common, type, mode: entry.mode }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
