import { createHash } from 'node:crypto'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import {
  CACHE_BYTES_MAX,
  CACHE_FETCHES_MAX,
  COMMIT_FETCH_MS_MAX,
  PIPELINE_BYTES_MAX
} from '../../protocol/core/limits.ts'
import { type GitAccess, GitError, git } from '../../protocol/host/git.ts'
import type { Log } from '../../protocol/host/log.ts'
import { checkUrl } from '../../protocol/host/source.ts'
import { isRef } from '../hooks/git-push.ts'
import type { Change, CommitContent, CommitReader, PipelineFile, RepositoryRef } from '../ports.ts'
import { changedPaths } from './changed-paths.ts'
import { titleOf } from './title.ts'

export const PIPELINE_FILE = '.runner-mesh.yml'

/** Milliseconds for one look into a commit that is already here. */
const LOOK_MS_MAX = 30_000
/** Commits whose objects the next fetch need not send again. */
const KEPT_REFS = 16
const COMMIT = /^([0-9a-f]{40}|[0-9a-f]{64})$/
const ABSENT = /^0+$/

// What the other side or the way to it says. Everything else is a cache that was left half written
// by a kill, or that is broken, and would fail for ever.
const REMOTE_TROUBLE = new RegExp(
  [
    'unable to (connect|access)',
    'remote error',
    'not our ref',
    'unadvertised object',
    "couldn't find remote ref",
    'could not (resolve|read from remote)',
    'hung up',
    'authentication failed',
    'could not read username',
    'permission denied',
    'early eof',
    'connection',
    'name or service not known'
  ].join('|'),
  'i'
)

interface Cache {
  readonly dir: string
  /** One git at a time: two fetches fight over the same lock files. */
  turn: Promise<unknown>
  fetches: number
}

export interface CommitCacheParts {
  readonly log: Log
  /** By what this gateway gets at a private repository; nobody's where absent. */
  readonly access?: CommitAccess | undefined
}

export type CommitAccess = (
  repository: RepositoryRef,
  signal: AbortSignal
) => Promise<GitAccess | undefined>

export interface CommitCacheOptions {
  readonly dir: string
  /** CACHE_FETCHES_MAX when absent. */
  readonly fetchesMax?: number | undefined
  /** CACHE_BYTES_MAX when absent. */
  readonly bytesMax?: number | undefined
}

/** Pipeline files of commits, from one bare shallow repository for each declared URL. */
export class CommitCache implements CommitReader {
  readonly #dir: string
  readonly #log: Log
  readonly #access: CommitAccess
  readonly #fetchesMax: number
  readonly #bytesMax: number
  readonly #caches = new Map<string, Cache>()

  constructor(parts: CommitCacheParts, options: CommitCacheOptions) {
    this.#log = parts.log
    this.#access = parts.access ?? (() => Promise.resolve(undefined))
    this.#dir = options.dir
    this.#fetchesMax = options.fetchesMax ?? CACHE_FETCHES_MAX
    this.#bytesMax = options.bytesMax ?? CACHE_BYTES_MAX
  }

  async read(
    repository: RepositoryRef,
    commit: string,
    signal: AbortSignal
  ): Promise<CommitContent> {
    if (!COMMIT.test(commit)) throw failed(repository, commit, 'it is no full commit id')
    return await this.#inTurn(repository, commit, signal, async (cache) => {
      await this.#fetch(cache, repository, commit, signal)
      return await look(cache.dir, commit, signal)
    })
  }

  async readBranch(
    repository: RepositoryRef,
    branch: string,
    signal: AbortSignal
  ): Promise<CommitContent> {
    const ref = `refs/heads/${branch}`
    if (!isRef(ref)) throw failed(repository, branch, 'it is no branch')
    return await this.#inTurn(repository, ref, signal, async (cache) => {
      const place = await this.#fetch(cache, repository, ref, signal)
      return await look(cache.dir, place, signal)
    })
  }

  async changedPaths(
    repository: RepositoryRef,
    change: Change,
    signal: AbortSignal
  ): Promise<readonly string[] | undefined> {
    const isRequest = change.kind === 'pull_request'
    const [from, to] = isRequest ? [change.base, change.head] : [change.before, change.after]
    const isNamed = isRequest ? isRef(`refs/heads/${from}`) : COMMIT.test(from)
    if (!isNamed || !COMMIT.test(to)) throw failed(repository, to, 'it is no full commit id')
    if (ABSENT.test(from)) return undefined
    return await this.#inTurn(repository, to, signal, async (cache) => {
      const access = await this.#access(repository, signal)
      const options = { cwd: cache.dir, timeoutMs: COMMIT_FETCH_MS_MAX, signal }
      const refs = [await this.#place(cache, signal), await this.#place(cache, signal)] as const
      const source = { url: repository.url, change, refs, options, access }
      return await changedPaths({ ...source, lookMs: LOOK_MS_MAX })
    })
  }

  /** Forgets the caches of repositories that are not declared any more. */
  async prune(urls: readonly string[]): Promise<void> {
    const kept = new Set(urls.map(folderOf))
    for (const name of await namesIn(this.#dir)) {
      if (kept.has(name)) continue
      this.#caches.delete(name)
      await rm(join(this.#dir, name), { recursive: true, force: true })
    }
  }

  #cacheOf(url: string): Cache {
    const name = folderOf(url)
    const known = this.#caches.get(name)
    if (known !== undefined) return known
    const cache = { dir: join(this.#dir, name), turn: Promise.resolve(), fetches: 0 }
    this.#caches.set(name, cache)
    return cache
  }

  /** Rejects with WORKSPACE_FETCH_FAILED, naming what was wanted. */
  async #inTurn<Found>(
    repository: RepositoryRef,
    wanted: string,
    signal: AbortSignal,
    work: (cache: Cache) => Promise<Found>
  ): Promise<Found> {
    checkUrl(repository.url)
    const cache = this.#cacheOf(repository.url)
    const turn = cache.turn.then(async () => {
      try {
        return await work(cache)
      } catch (error) {
        const cause = error instanceof GitError && !error.timedOut ? error.stderr : causeOf(error)
        if (!REMOTE_TROUBLE.test(cause) && !signal.aborted) await this.#discard(cache, cause)
        throw failed(repository, wanted, causeOf(error), error)
      }
    })
    cache.turn = turn.catch(() => undefined)
    return await turn
  }

  /** Resolves with the ref at which it is now. */
  async #fetch(
    cache: Cache,
    repository: RepositoryRef,
    wanted: string,
    signal: AbortSignal
  ): Promise<string> {
    // Asked first: what the forge refuses here is no fault of the cache's.
    const access = await this.#access(repository, signal)
    const options = { cwd: cache.dir, timeoutMs: COMMIT_FETCH_MS_MAX, signal }
    const ref = await this.#place(cache, signal)
    const fetch = ['fetch', '--quiet', '--depth=1', '--no-tags', '--no-recurse-submodules']
    const from = repository.url
    await git([...fetch, '--end-of-options', from, `+${wanted}:${ref}`], { ...options, access })
    // Looked at now and then only: it costs one more process.
    if (cache.fetches % KEPT_REFS === 0 && (await bytesOf(cache.dir, signal)) > this.#bytesMax) {
      cache.fetches = this.#fetchesMax
    }
    return ref
  }

  /** The next ref to fetch into, of a cache that is there and not too old. */
  async #place(cache: Cache, signal: AbortSignal): Promise<string> {
    if (cache.fetches >= this.#fetchesMax) await this.#discard(cache, 'it is old')
    if (await isAbsent(join(cache.dir, 'HEAD'))) {
      const options = { cwd: cache.dir, timeoutMs: COMMIT_FETCH_MS_MAX, signal }
      await mkdir(cache.dir, { recursive: true, mode: 0o700 })
      await git(['init', '--quiet', '--bare', '--template=', cache.dir], options)
    }
    const ref = `refs/cache/${cache.fetches % KEPT_REFS}`
    cache.fetches += 1
    return ref
  }

  async #discard(cache: Cache, cause: string): Promise<void> {
    this.#log.info({ cache: cache.dir, cause }, 'commit cache discarded')
    cache.fetches = 0
    await rm(cache.dir, { recursive: true, force: true })
  }
}

async function look(dir: string, commit: string, signal: AbortSignal): Promise<CommitContent> {
  const options = { cwd: dir, timeoutMs: LOOK_MS_MAX, signal }
  const [entry, subject] = await Promise.all([
    git(['ls-tree', '-l', '-z', '--full-tree', commit, '--', PIPELINE_FILE], options),
    git(['log', '-1', '--no-show-signature', '--format=%s', commit, '--'], options)
  ])
  const found = parseEntry(text(entry.stdout))
  const title = titleOf(text(subject.stdout))
  if (found.kind !== 'blob') return { title, pipeline: found }
  const { stdout } = await git(['cat-file', 'blob', found.id], options)
  return { title, pipeline: { kind: 'found', bytes: stdout } }
}

type Entry =
  | Exclude<PipelineFile, { kind: 'found' }>
  | { readonly kind: 'blob'; readonly id: string }

/** `MODE TYPE ID SIZE TAB NAME NUL`, or nothing for a file that is not there. */
function parseEntry(line: string): Entry {
  const match = /^(\d{6}) (\w+) ([0-9a-f]+) +(\d+|-)\t/.exec(line)
  if (match === null) return { kind: 'absent' }
  const [, mode, type, id = '', size] = match
  // A link's text would be parsed as if it were the pipeline.
  if (type !== 'blob' || mode === '120000') return unusable('it is no regular file')
  if (Number(size) > PIPELINE_BYTES_MAX) {
    return unusable(`it has ${size} bytes, at most ${PIPELINE_BYTES_MAX} are allowed`)
  }
  return { kind: 'blob', id }
}

function unusable(problem: string): Entry {
  return { kind: 'unusable', problem }
}

async function bytesOf(dir: string, signal: AbortSignal): Promise<number> {
  const counted = await git(['count-objects', '-v'], { cwd: dir, timeoutMs: LOOK_MS_MAX, signal })
  const kib = [...text(counted.stdout).matchAll(/^size(?:-pack)?: (\d+)$/gm)]
  return kib.reduce((sum, match) => sum + Number(match[1]) * 1024, 0)
}

function folderOf(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 32)
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir)
  } catch {
    return []
  }
}

async function isAbsent(path: string): Promise<boolean> {
  try {
    await stat(path)
    return false
  } catch {
    return true
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

function failed(
  repository: RepositoryRef,
  commit: string,
  cause: string,
  error?: unknown
): MeshError {
  const facts = { commit, url: repository.url, cause }
  return new MeshError('WORKSPACE_FETCH_FAILED', facts, { cause: error })
}
