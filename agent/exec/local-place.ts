import { resolve } from 'node:path'
import { git } from '../../protocol/host/git.ts'

/** Where a person works: a folder, with what git says of it. */
export interface LocalPlace {
  /** The working tree's top folder; of a plain folder itself. */
  readonly root: string
  readonly isRepository: boolean
  /** Of HEAD, full; undefined where there is none. */
  readonly commit: string | undefined
  /** Undefined where no branch is checked out. */
  readonly branch: string | undefined
}

/** Before a git command in a folder of whoever works here, which may be another user's. */
export const TRUSTING = ['-c', 'safe.directory=*'] as const

export async function localPlace(folder: string, signal: AbortSignal): Promise<LocalPlace> {
  const said = async (...words: readonly string[]): Promise<string | undefined> => {
    try {
      const { stdout } = await git([...TRUSTING, ...words], { cwd: folder, signal })
      return new TextDecoder().decode(stdout).replace(/\n$/, '')
    } catch {
      return undefined
    }
  }
  const top = await said('rev-parse', '--show-toplevel')
  signal.throwIfAborted()
  if (top === undefined || top === '') {
    const plain = { isRepository: false, commit: undefined, branch: undefined }
    return { root: resolve(folder), ...plain }
  }
  const commit = await said('rev-parse', '--verify', '--quiet', 'HEAD^{commit}')
  const branch = await said('symbolic-ref', '--quiet', '--short', 'HEAD')
  return { root: top, isRepository: true, commit, branch }
}
