/**
 * How far the mesh trusts what a run executes: `untrusted` where its author need not be one of the
 * repository's own.
 */
export type Trust = 'trusted' | 'untrusted'

/** What started a run, as far as trust depends on it. */
export interface TrustSource {
  /**
   * Full ref, `refs/heads/main`; of a pull request the branch that it comes from, as a push to that
   * is what brought it.
   */
  readonly ref: string
  /** True where the commit comes from a repository other than the declared one. */
  readonly fork: boolean
}

/** The owner's word on a branch or a tag by its short name, `main`, `v1.0`. */
export interface TrustRules {
  trusts(branch: string): boolean
  trustsTag(tag: string): boolean
}

const NAMED = /^refs\/(heads|tags)\/(.+)$/

/**
 * A branch or tag that the repository's owner trusts, and nothing else: what no rule speaks of is
 * untrusted. A fork's branch may have any name, so that it is not even asked.
 */
export function trustOf(source: TrustSource, rules: TrustRules): Trust {
  if (source.fork) return 'untrusted'
  const [, kind, name] = NAMED.exec(source.ref) ?? []
  if (name === undefined) return 'untrusted'
  const isTrusted = kind === 'tags' ? rules.trustsTag(name) : rules.trusts(name)
  return isTrusted ? 'trusted' : 'untrusted'
}
