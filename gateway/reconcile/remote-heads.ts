import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { RECONCILE_LOOK_MS_MAX } from '../../protocol/core/forge-limits.ts'
import { type GitAccess, git } from '../../protocol/host/git.ts'
import { checkUrl } from '../../protocol/host/source.ts'
import type { Heads } from '../forge/forge-api.ts'

const LINE = /^([0-9a-f]{40}|[0-9a-f]{64})\t(refs\/(?:heads|tags)\/.+?)(\^\{\})?$/

/**
 * Branches and tags as any Git server tells them; of a tag with a message the commit that it leads
 * to. Rejects with FORGE_UNREACHABLE, URL_REFUSED.
 */
export async function remoteHeads(
  url: string,
  access: GitAccess | undefined,
  signal: AbortSignal
): Promise<Heads> {
  const { host } = checkUrl(url)
  const patterns = ['refs/heads/*', 'refs/tags/*']
  const words = ['ls-remote', '--quiet', '--end-of-options', url, ...patterns]
  try {
    // Not inside whatever repository this process may have been started in.
    const options = { cwd: '/', timeoutMs: RECONCILE_LOOK_MS_MAX, signal, access }
    const { stdout } = await git(words, options)
    return headsIn(new TextDecoder().decode(stdout))
  } catch (error) {
    const facts = { host, action: 'list branches and tags', cause: causeOf(error) }
    throw new MeshError('FORGE_UNREACHABLE', facts, { cause: error })
  }
}

function headsIn(text: string): Heads {
  const heads = new Map<string, string>()
  // A tag's commit stands behind the tag.
  for (const line of text.split('\n')) {
    const [, commit, ref] = LINE.exec(line) ?? []
    if (commit !== undefined && ref !== undefined) heads.set(ref, commit)
  }
  return heads
}
