import { CHANGED_PATHS_MAX, MERGE_BASE_DEPTH } from '../../protocol/core/intake-limits.ts'
import { type GitAccess, GitError, type GitOptions, git } from '../../protocol/host/git.ts'
import type { Change } from '../ports.ts'

/** What a server says that does not have a commit, or gives only those that refs name. */
const NOT_THERE = /not our ref|unadvertised object|couldn't find remote ref/i

export interface ChangeSource {
  readonly url: string
  readonly change: Change
  /** Two refs of the cache that nothing else needs now. */
  readonly refs: readonly [string, string]
  /** Of the cache's folder. */
  readonly options: GitOptions
  readonly access: GitAccess | undefined
  /** Milliseconds for comparing what was fetched. */
  readonly lookMs: number
}

/**
 * Paths that differ, both names of what was renamed; undefined where nobody can tell, or where they
 * are too many. Rejects with GitError where the server cannot be asked.
 */
export async function changedPaths(source: ChangeSource): Promise<readonly string[] | undefined> {
  const { change, options, lookMs } = source
  try {
    const [from, to] = await fetchBoth(source)
    const since = change.kind === 'pull_request' ? await mergeBase(from, to, options) : from
    return since === undefined
      ? undefined
      : await pathsBetween(since, to, { ...options, timeoutMs: lookMs })
  } catch (error) {
    // A commit that was pushed over, and is gone: that happens, and asking again does not help.
    if (error instanceof GitError && NOT_THERE.test(error.stderr)) return undefined
    throw error
  }
}

async function fetchBoth({ url, change, refs, options, access }: ChangeSource) {
  const isRequest = change.kind === 'pull_request'
  // Two commits can be compared without any of their history; where they part, they cannot.
  const depth = `--depth=${isRequest ? MERGE_BASE_DEPTH : 1}`
  const from = isRequest ? `refs/heads/${change.base}` : change.before
  const to = isRequest ? change.head : change.after
  const wanted = [`+${from}:${refs[0]}`, `+${to}:${refs[1]}`]
  const fetch = ['fetch', '--quiet', depth, '--no-tags', '--no-recurse-submodules']
  await git([...fetch, '--end-of-options', url, ...wanted], { ...options, access })
  return refs
}

async function mergeBase(
  base: string,
  head: string,
  options: GitOptions
): Promise<string | undefined> {
  try {
    const { stdout } = await git(['merge-base', base, head], options)
    return text(stdout).trim()
  } catch (error) {
    // It says nothing where they have no commit in common, as far as they were fetched.
    if (error instanceof GitError && error.stderr === '' && !isEnded(options)) return undefined
    throw error
  }
}

async function pathsBetween(
  from: string,
  to: string,
  options: GitOptions
): Promise<readonly string[] | undefined> {
  const look = ['diff-tree', '-r', '-z', '--name-only', '--no-renames', from, to, '--']
  try {
    const { stdout } = await git(look, options)
    const paths = text(stdout).split('\0').slice(0, -1)
    return paths.length > CHANGED_PATHS_MAX ? undefined : paths
  } catch (error) {
    // A few small trees can stand for more folders than anyone could walk through.
    if (error instanceof GitError && (error.isTooLong || error.timedOut)) return undefined
    throw error
  }
}

function isEnded({ signal }: GitOptions): boolean {
  return signal?.aborted === true
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
