import { causeOf, codeOf, MeshError } from '../../protocol/core/errors.ts'
import type { SourceAccess } from '../../protocol/core/source-access.ts'
import type { GitAccess } from '../../protocol/host/git.ts'
import { type CommitSource, fetchCommit } from '../../protocol/host/source.ts'
import { gitErrorOf } from './failure.ts'

/** Asks the job's gateway. Rejects with SECRET_REFUSED where it gives none. */
export type AskAccess = (signal: AbortSignal) => Promise<SourceAccess>

/** What git says where a server wants to know who asks, or hides a repository from strangers. */
const CLOSED = new RegExp(
  [
    'could not read username',
    'authentication failed',
    'permission denied',
    'returned error: (401|403|404)',
    "repository '.*' not found",
    'repository not found',
    'could not be found or you don',
    'unauthorized'
  ].join('|'),
  'i'
)
const NEVER = new AbortController().signal

/**
 * Fetches as anybody may, and where the server does not give it to anybody, once more with what the
 * gateway gives: so no agent has a credential for what is public. Throws WORKSPACE_FETCH_FAILED,
 * URL_REFUSED, and what `ask` does.
 */
export async function fetchSource(source: CommitSource, ask: AskAccess | undefined): Promise<void> {
  try {
    await fetchCommit(source)
  } catch (error) {
    if (ask === undefined || !isClosed(error)) throw error
    const access = await askFor(source, ask, error)
    await fetchCommit({ ...source, access: accessTo(source.url, access) })
  }
}

async function askFor(
  { url, commit, signal }: CommitSource,
  ask: AskAccess,
  error: unknown
): Promise<SourceAccess> {
  try {
    return await ask(signal ?? NEVER)
  } catch (refusal) {
    if (codeOf(refusal) !== 'SECRET_REFUSED') throw refusal
    // What the server said is the trouble; that there is no credential is the way out.
    const isUnreadable = refusal instanceof MeshError && refusal.facts['reason'] === 'unreadable'
    const why = isUnreadable
      ? 'its gateway has a credential for it that cannot be used: see its log'
      : 'its gateway has nothing for it: see `checkout` of the repository in gateway.yaml'
    const cause = `${gitErrorOf(error)?.message ?? causeOf(error)}; ${why}`
    throw new MeshError('WORKSPACE_FETCH_FAILED', { commit, url, cause }, { cause: error })
  }
}

/** Git tells a password to the host of `url` alone. */
function accessTo(url: string, access: SourceAccess): GitAccess {
  return access.kind === 'key' ? access : { ...access, url }
}

function isClosed(error: unknown): boolean {
  const git = gitErrorOf(error)
  return git !== undefined && !git.timedOut && CLOSED.test(git.stderr)
}
