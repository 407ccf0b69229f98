import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type ImageParts, imageBlobs } from '../../deploy/image-archive.ts'
import { eventually } from './eventually.ts'
import { freePort } from './port-block.ts'

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
const INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json'
const CONFIG = 'application/vnd.docker.container.image.v1+json'
const LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip'

/** One image in a registry: its manifest's digest and its own id. */
export interface Pushed {
  readonly digest: string
  readonly imageId: string
}

export interface Login {
  readonly user: string
  readonly password: string
}

type Wish = Pick<ImageParts, 'platform' | 'entries'>

/** Where a registry is, other than by itself on loopback. */
export interface RegistryPlace {
  readonly address?: string
  /** What it is started by, as `ip netns exec NAME`. */
  readonly through?: readonly string[]
  /** Folder of another one's images. */
  readonly data?: string
}

/** Debian's docker-registry, by default on a port of loopback, which engines ask without TLS. */
export class ImageRegistry {
  /** `127.0.0.1:PORT`, to be put before an image's name. */
  readonly host: string
  /** Folder of its images. */
  readonly data: string
  readonly #dir: string
  readonly #access: Readonly<Record<string, string>>
  readonly #through: readonly string[]
  #process: ChildProcess | undefined

  private constructor(host: string, dir: string, login: Login | undefined, place: RegistryPlace) {
    this.host = host
    this.data = place.data ?? join(dir, 'data')
    this.#dir = dir
    this.#through = place.through ?? []
    const basic = Buffer.from(`${login?.user}:${login?.password}`).toString('base64')
    this.#access = login === undefined ? {} : { authorization: `Basic ${basic}` }
  }

  /** With a login, nobody else is given anything. */
  static async open(login?: Login, place: RegistryPlace = {}): Promise<ImageRegistry> {
    const host = `${place.address ?? '127.0.0.1'}:${await freePort()}`
    const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-registry-'))
    const registry = new ImageRegistry(host, dir, login, place)
    const passwords = join(dir, 'htpasswd')
    const config = {
      version: 0.1,
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: registry.data } },
      http: { addr: host },
      ...(login === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: passwords } } })
    }
    await writeFile(join(dir, 'config.yml'), JSON.stringify(config))
    if (login !== undefined) await writeFile(passwords, `${login.user}:${hashed(login.password)}\n`)
    await registry.start()
    return registry
  }

  async start(): Promise<void> {
    const [program = '', ...args] = [...this.#through, 'docker-registry', 'serve']
    const child = spawn(program, [...args, join(this.#dir, 'config.yml')], { stdio: 'ignore' })
    this.#process = child
    let failure: unknown
    child.on('error', (error) => {
      failure = error
    })
    await eventually('the registry answers', async () => {
      if (failure !== undefined) throw failure
      return await fetch(`http://${this.host}/v2/`, { headers: this.#access }).then(
        ({ ok }) => ok,
        () => false
      )
    })
  }

  /** What it has is there again after `start`. */
  async stop(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.pid === undefined) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  async close(): Promise<void> {
    await this.stop()
    await rm(this.#dir, { recursive: true, force: true })
  }

  /** Pushes an image for one platform; `tag` may be left to the index that it belongs to. */
  async push(name: string, wish: Wish, tag?: string): Promise<Pushed> {
    const config = { Env: ['PATH=/bin'], Cmd: ['/bin/sh'] }
    const blobs = await imageBlobs({ ...wish, config })
    const layer = gzipSync(blobs.layer)
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: CONFIG, ...(await this.#upload(name, blobs.config)) },
      layers: [{ mediaType: LAYER, ...(await this.#upload(name, layer)) }]
    }
    const digest = await this.#put(name, tag, MANIFEST, manifest)
    return { digest, imageId: `sha256:${blobs.hash}` }
  }

  /** Pushes one image a platform and an index of them; gives the index's digest. */
  async pushIndex(
    name: string,
    tag: string,
    wishes: readonly Wish[]
  ): Promise<{ readonly digest: string; readonly images: readonly Pushed[] }> {
    const images: Pushed[] = []
    const manifests: object[] = []
    for (const wish of wishes) {
      const pushed = await this.push(name, wish)
      images.push(pushed)
      const [os, architecture, variant] = wish.platform.split('/')
      const size = Number(await this.#sizeOf(name, pushed.digest))
      const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) }
      manifests.push({ mediaType: MANIFEST, digest: pushed.digest, size, platform })
    }
    const index = { schemaVersion: 2, mediaType: INDEX, manifests }
    return { digest: await this.#put(name, tag, INDEX, index), images }
  }

  async #upload(name: string, bytes: Buffer): Promise<{ digest: string; size: number }> {
    const digest = digestOf(bytes)
    const begun = await this.#call('POST', `/v2/${name}/blobs/uploads/`)
    const url = new URL(begun.headers.get('location') ?? '', `http://${this.host}`)
    url.searchParams.set('digest', digest)
    await this.#call('PUT', url.href, bytes, 'application/octet-stream')
    return { digest, size: bytes.length }
  }

  async #put(name: string, tag: string | undefined, type: string, manifest: object) {
    const bytes = Buffer.from(JSON.stringify(manifest))
    const digest = digestOf(bytes)
    await this.#call('PUT', `/v2/${name}/manifests/${tag ?? digest}`, bytes, type)
    return digest
  }

  async #sizeOf(name: string, digest: string): Promise<string> {
    const headers = { accept: MANIFEST, ...this.#access }
    const url = `http://${this.host}/v2/${name}/manifests/${digest}`
    const answer = await fetch(url, { method: 'HEAD', headers })
    return answer.headers.get('content-length') ?? ''
  }

  async #call(method: string, path: string, body?: Buffer, type?: string): Promise<Response> {
    const url = new URL(path, `http://${this.host}`)
    const headers = { ...this.#access, ...(type === undefined ? {} : { 'content-type': type }) }
    const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) })
    if (!answer.ok) throw new Error(`${method} ${url.pathname}: ${await answer.text()}`)
    return answer
  }
}

/** As a registry's file of passwords has it: bcrypt, which the C library knows and not Node. */
function hashed(password: string): string {
  const script = 'print crypt($ENV{PASSWORD}, q($2b$04$abcdefghijklmnopqrstuu))'
  return execFileSync('perl', ['-e', script], { env: { PASSWORD: password }, encoding: 'utf8' })
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
