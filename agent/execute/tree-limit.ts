import { join } from 'node:path'
import {
  CHECKOUT_BYTES_MAX,
  CHECKOUT_FILES_MAX,
  CHECKOUT_MS_MAX
} from '../../protocol/core/limits.ts'
import { GitError, streamGit } from '../../protocol/host/git.ts'

const NUL = 0
/** Characters before a record's path: mode, type, object id and size. */
const HEAD = /^\d+ \w+ [0-9a-f]+ +(\d+|-)\t/
/** More than the head of any record. */
const HEAD_BYTES_MAX = 160

/**
 * Counts what `git ls-tree -r -l -z` lists. A tree can name one folder many times over, level by
 * level: a pack of a kilobyte then lays out more files than any disk takes.
 */
export class TreeCount {
  files = 0
  bytes = 0
  #rest: Buffer = Buffer.alloc(0)

  /** Undefined while the tree is within the limits, else what it has too much of. */
  push(chunk: Uint8Array): string | undefined {
    const bytes = Buffer.concat([this.#rest, chunk])
    let from = 0
    for (let end = bytes.indexOf(NUL); end >= 0; end = bytes.indexOf(NUL, from)) {
      this.#record(bytes.toString('latin1', from, Math.min(end, from + HEAD_BYTES_MAX)))
      from = end + 1
    }
    this.#rest = bytes.subarray(from)
    if (this.files > CHECKOUT_FILES_MAX) return `it has more than ${CHECKOUT_FILES_MAX} files`
    if (this.bytes > CHECKOUT_BYTES_MAX) return `its files are over ${CHECKOUT_BYTES_MAX} bytes`
    return undefined
  }

  #record(head: string): void {
    const size = HEAD.exec(head)?.[1]
    this.files += 1
    // A submodule's size is a dash: nothing of it is laid out.
    if (size !== undefined && size !== '-') this.bytes += Number(size)
  }
}

export interface TreeLimitOptions {
  readonly dir: string
  readonly commit: string
  readonly signal: AbortSignal
}

/** Resolves with why the commit's tree must not be laid out; undefined where it may. */
export async function treeProblem(options: TreeLimitOptions): Promise<string | undefined> {
  const { dir, commit, signal } = options
  const count = new TreeCount()
  let problem: string | undefined
  // The folder by option: where it has no repository, git would look for one in those above.
  const list = ['--git-dir', join(dir, '.git'), 'ls-tree', '-r', '-l', '-z', commit]
  try {
    await streamGit(list, { signal, timeoutMs: CHECKOUT_MS_MAX }, (chunk) => {
      problem = count.push(chunk)
      return problem
    })
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof GitError) return problem ?? `its tree cannot be listed (${error.message})`
    throw error
  }
}
