import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { SCHEDULE_LOOK_MS_MAX } from '../../protocol/core/schedule-limits.ts'
import { type GitAccess, git } from '../../protocol/host/git.ts'
import { checkUrl } from '../../protocol/host/source.ts'

export interface BranchHead {
  readonly branch: string
  /** Full commit id. */
  readonly commit: string
}

/** The branch that HEAD stands for. Servers from before Git 1.8.5 do not say. */
const SYMBOLIC = /^ref: refs\/heads\/(.+)\tHEAD$/m
const LINE = /^([0-9a-f]{40}|[0-9a-f]{64})\t(.+)$/

/**
 * Where a branch is now, the default one where none is named; undefined where there is none.
 * Rejects with FORGE_UNREACHABLE, URL_REFUSED.
 */
export async function branchHead(
  url: string,
  branch: string | undefined,
  access: GitAccess | undefined,
  signal: AbortSignal
): Promise<BranchHead | undefined> {
  const { host } = checkUrl(url)
  const wanted = branch === undefined ? 'HEAD' : `refs/heads/${branch}`
  const words = ['ls-remote', '--quiet', '--symref', '--end-of-options', url, wanted]
  try {
    // Not inside whatever repository this process may have been started in.
    const options = { cwd: '/', timeoutMs: SCHEDULE_LOOK_MS_MAX, signal, access }
    const { stdout } = await git(words, options)
    return headIn(new TextDecoder().decode(stdout), branch)
  } catch (error) {
    const facts = { host, action: `say where ${wanted} is`, cause: causeOf(error) }
    throw new MeshError('FORGE_UNREACHABLE', facts, { cause: error })
  }
}

function headIn(text: string, branch: string | undefined): BranchHead | undefined {
  const name = branch ?? SYMBOLIC.exec(text)?.[1]
  const wanted = branch === undefined ? 'HEAD' : `refs/heads/${branch}`
  for (const line of text.split('\n')) {
    // A pattern fits the ends of longer names as well.
    const [, commit, ref] = LINE.exec(line) ?? []
    if (commit !== undefined && name !== undefined && ref === wanted)
      return { branch: name, commit }
  }
  return undefined
}
