import { Resolver } from 'node:dns/promises'
import { EGRESS_NAME_MS_MAX } from '../../../protocol/core/egress-limits.ts'

/** Who knows the addresses of names. */
export interface Names {
  /** IPv4 addresses; rejects where there is no answer. Nothing that it says is to be trusted. */
  resolve(name: string): Promise<readonly string[]>
}

const TRIES = 2

/**
 * The owner's servers, asked for whole names: neither the host's own file of names nor its search
 * domains, which would lead into the owner's network.
 */
export function systemNames(servers: readonly string[]): Names {
  const resolver = new Resolver({ timeout: EGRESS_NAME_MS_MAX, tries: TRIES })
  resolver.setServers(servers)
  return { resolve: (name) => resolver.resolve4(name) }
}
