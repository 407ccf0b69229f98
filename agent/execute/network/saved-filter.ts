/** What `iptables-save -t filter` says of one family. */
export interface SavedFilter {
  has(chain: string): boolean
  /** In their order, each as it stands after `-A CHAIN`. */
  rulesOf(chain: string): readonly string[]
}

export function parseFilter(saved: string): SavedFilter {
  const chains = new Map<string, string[]>()
  for (const line of saved.split('\n')) {
    const declared = /^:(\S+) /.exec(line)?.[1]
    if (declared !== undefined) chains.set(declared, [])
    const [, chain = '', rule] = /^-A (\S+) (.+)$/.exec(line) ?? []
    if (rule !== undefined) chains.get(chain)?.push(rule)
  }
  return {
    has: (chain) => chains.has(chain),
    rulesOf: (chain) => chains.get(chain) ?? []
  }
}
