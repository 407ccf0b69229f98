import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { CHECKOUT_MS_MAX } from '../../protocol/core/limits.ts'
import { GitError, git } from '../../protocol/host/git.ts'
import type { AttemptInput } from './attempt.ts'
import { type AskAccess, fetchSource } from './source-fetch.ts'
import { treeProblem } from './tree-limit.ts'

export interface Source {
  readonly url: string
  readonly commit: string
  /** What leads to it, `refs/pull/7/head`, for servers that give nothing by its id. */
  readonly ref?: string | undefined
}

/** Of a slot none: its runner gets the source of whichever job it is given. */
export function sourceOf({
  spec,
  manifest: { url, origin }
}: Pick<AttemptInput, 'spec' | 'manifest'>): Source | undefined {
  return spec.runner === undefined ? { url, commit: origin.commit, ref: origin.ref } : undefined
}

export interface Archive {
  /** A tar of the workspace, names and links as bytes, nothing followed. */
  readonly stream: Readable
  /** Settles with the packing itself. */
  readonly done: Promise<void>
}

/** The host's copy of one attempt's source: laid out by git, packed, and removed again. */
export class Workspace {
  readonly dir: string
  readonly #busybox: string

  constructor(parent: string, claimId: string, busybox: string) {
    this.dir = join(parent, claimId)
    this.#busybox = busybox
  }

  /**
   * Lays out one commit with its `.git`, or nothing; `ask` is for servers that want to know who
   * wants it. Throws WORKSPACE_FETCH_FAILED, URL_REFUSED, and what `ask` does.
   */
  async checkOut(source: Source | undefined, signal: AbortSignal, ask?: AskAccess): Promise<void> {
    await mkdir(this.dir, { recursive: true })
    // The archive carries this mode to /work, where other users than root need to get in.
    await chmod(this.dir, 0o755)
    if (source === undefined) return
    const options = { timeoutMs: CHECKOUT_MS_MAX, signal }
    await fetchSource({ ...source, dir: this.dir, ...options }, ask)
    const problem = await treeProblem({ dir: this.dir, commit: source.commit, signal })
    if (problem !== undefined) throw failed(source, problem)
    const inside = { ...options, cwd: this.dir }
    try {
      await git(['remote', 'add', 'origin', source.url], inside)
      await git(['checkout', '--quiet', '--detach', source.commit], inside)
    } catch (error) {
      throw failed(source, error instanceof GitError ? error.message : causeOf(error), error)
    }
  }

  /**
   * Packs what is laid out. By busybox rather than by a library: file names in Git are bytes, and
   * as text those that are no UTF-8 would come out as others.
   */
  pack(signal: AbortSignal): Archive {
    const tar = spawn(this.#busybox, ['tar', '-c', '-f', '-', '-C', this.dir, '.'], {
      env: {},
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
      killSignal: 'SIGKILL'
    })
    const stream = new PassThrough()
    // A box that died reads no more: without this the archive waits for it for ever.
    signal.addEventListener('abort', () => stream.destroy(), { once: true })
    let said = ''
    tar.stderr.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString('utf8')}`.slice(-1_000)
    })
    const ended = once(tar, 'close') as Promise<[number | null]>
    const done = Promise.all([pipeline(tar.stdout, stream), ended]).then(([, [code]]) => {
      if (code !== 0) throw new Error(`tar failed: ${said.trim() || code}`)
    })
    return { stream, done }
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true, maxRetries: 3 })
  }
}

function failed(source: Source, cause: string, error?: unknown): MeshError {
  const { commit, url } = source
  return new MeshError('WORKSPACE_FETCH_FAILED', { commit, url, cause }, { cause: error })
}
