import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { CHECKOUT_BYTES_MAX, CHECKOUT_FILES_MAX } from '../../protocol/core/limits.ts'

const NUL = 0
const TAB = 9
const SPACE = 32
/** Bytes before a record's path: mode, type, object id and size. */
const RECORD_HEAD_BYTES_MAX = 256

/**
 * Counts what `git ls-tree -r -l -z` lists. A tree can name one folder many times over, level by
 * level: a pack of a kilobyte then lays out more files than any disk takes.
 */
export class TreeCount {
  files = 0
  bytes = 0
  #head: number[] = []
  #inPath = false

  /** Undefined while the tree is within the limits, else what it has too much of. */
  push(chunk: Uint8Array): string | undefined {
    for (const byte of chunk) {
      if (byte === NUL) this.#record()
      else if (byte === TAB) this.#inPath = true
      else if (!this.#inPath && this.#head.length < RECORD_HEAD_BYTES_MAX) this.#head.push(byte)
    }
    if (this.files > CHECKOUT_FILES_MAX) return `it has more than ${CHECKOUT_FILES_MAX} files`
    if (this.bytes > CHECKOUT_BYTES_MAX) return `its files are over ${CHECKOUT_BYTES_MAX} bytes`
    return undefined
  }

  #record(): void {
    const size = this.#head.slice(this.#head.lastIndexOf(SPACE) + 1)
    // A submodule's size is a dash.
    const bytes = Number(String.fromCharCode(...size))
    this.files += 1
    this.bytes += Number.isNaN(bytes) ? 0 : bytes
    this.#head = []
    this.#inPath = false
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
  // The folder by option: a GIT_DIR of whoever started the daemon would name another one.
  const repository = ['--git-dir', join(dir, '.git')]
  const list = spawn('git', [...repository, 'ls-tree', '-r', '-l', '-z', commit], {
    stdio: ['ignore', 'pipe', 'ignore'],
    signal,
    killSignal: 'SIGKILL'
  })
  const count = new TreeCount()
  const closed = once(list, 'close') as Promise<[number | null]>
  closed.catch(() => undefined)
  for await (const chunk of list.stdout as AsyncIterable<Uint8Array>) {
    const problem = count.push(chunk)
    if (problem === undefined) continue
    list.kill('SIGKILL')
    await closed.catch(() => undefined)
    return problem
  }
  const [code] = await closed
  return code === 0 ? undefined : 'its tree cannot be listed'
}
