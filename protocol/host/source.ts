import { causeOf, MeshError } from '../core/errors.ts'
import { GitError, type GitOptions, git } from './git.ts'

/** The schemes that git can fetch without touching this host's own files or running commands. */
const SCHEMES = new Set(['https:', 'http:', 'ssh:', 'git:'])

/** What a server says that gives no commit by its id. */
const UNADVERTISED = /unadvertised object/i
/** Commits of a ref among which one is looked for: pushes come on while a job is queued. */
const REF_DEPTH = 50

const COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/

export interface CommitSource extends GitOptions {
  readonly url: string
  /** Full commit id. */
  readonly commit: string
  /** What led to it, for servers that give nothing by its id: `refs/pull/7/head`. */
  readonly ref?: string | undefined
  /** An existing folder; a bare repository comes to be here. */
  readonly dir: string
}

/** The URL as it may be fetched. Throws URL_REFUSED. */
export function checkUrl(url: string): URL {
  const refuse = (problem: string): MeshError =>
    new MeshError('URL_REFUSED', { url: withoutCredentials(url), problem })
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined) throw refuse('it is no URL')
  if (!SCHEMES.has(parsed.protocol)) throw refuse(`scheme ${parsed.protocol} is not allowed`)
  if (parsed.hostname === '') throw refuse('it names no host')
  // A host or path that starts with a dash would be read as an option by ssh or git.
  if (parsed.hostname.startsWith('-')) throw refuse('the host starts with a dash')
  if (parsed.password !== '') throw refuse('a URL must not hold a password')
  return parsed
}

/** Fetches one commit, nothing else, into `dir`. Throws WORKSPACE_FETCH_FAILED, URL_REFUSED. */
export async function fetchCommit(source: CommitSource): Promise<void> {
  // What is done without the server gets nothing that is for it.
  const { url, commit, ref, dir, access, ...options } = source
  checkUrl(url)
  if (!COMMIT.test(commit)) throw failed(source, 'it is no full commit id')
  const inside = { ...options, cwd: dir }
  try {
    await git(['init', '--quiet', '--template=', dir], inside)
    const fetch = ['fetch', '--quiet', '--depth=1', '--no-tags', '--no-recurse-submodules']
    await git([...fetch, '--end-of-options', url, commit], { ...inside, access })
  } catch (error) {
    const isById = error instanceof GitError && UNADVERTISED.test(error.stderr)
    if (isById && ref !== undefined) return await fetchByRef({ ...source, ref })
    throw failed(source, causeOf(error), error)
  }
}

/** A server may give only what its refs name, and then the commit is to be found behind its ref. */
async function fetchByRef(source: CommitSource & { readonly ref: string }): Promise<void> {
  const { url, commit, ref, dir, access, ...options } = source
  const inside = { ...options, cwd: dir }
  const fetch = ['fetch', '--quiet', `--depth=${REF_DEPTH}`, '--no-tags', '--no-recurse-submodules']
  try {
    await git([...fetch, '--end-of-options', url, ref], { ...inside, access })
    await git(['cat-file', '-e', `${commit}^{commit}`], inside)
  } catch (error) {
    const cause = `the server gives no commit by its id, and ${ref} does not lead to it any more`
    throw failed(source, cause, error)
  }
}

function failed(source: CommitSource, cause: string, error?: unknown): MeshError {
  const { commit, url } = source
  return new MeshError('WORKSPACE_FETCH_FAILED', { commit, url, cause }, { cause: error })
}

function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//***@')
}
