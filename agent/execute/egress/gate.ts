import { type AddressRange, parseAddress } from '../../../protocol/core/address-range.ts'
import { EGRESS_ADDRESSES_MAX } from '../../../protocol/core/egress-limits.ts'
import { opensName } from '../../../protocol/core/name-entry.ts'
import { allowEntries, type NetworkPolicy, nameEntries } from '../../../protocol/core/network.ts'
import { hasSpecial } from '../../../protocol/core/special-ranges.ts'
import type { Names } from './names.ts'
import type { Target } from './target.ts'

export type Verdict =
  /** To be tried in this order, and no others: asked again, a name may say something else. */
  | { readonly kind: 'allowed'; readonly addresses: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string }

export interface GateParts {
  readonly names: Names
  /** Every address of this host, as it is now. */
  readonly ownAddresses: () => ReadonlySet<string>
  /** What no job reaches since its owner says so. */
  readonly denied: readonly AddressRange[]
}

const MAIL_PORT = 25

/** What one job's policy says of a target. */
export class Gate {
  readonly #parts: GateParts
  readonly #policy: NetworkPolicy

  constructor(parts: GateParts, policy: NetworkPolicy) {
    this.#parts = parts
    this.#policy = policy
  }

  async judge(target: Target): Promise<Verdict> {
    // First: a name that is not listed is asked of nobody, since the question itself tells.
    const closed = this.#closed(target)
    if (closed !== undefined) return refused(closed)
    if (target.isAddress) return this.#checked([target.host])
    let addresses: readonly string[]
    try {
      addresses = await this.#parts.names.resolve(target.host)
    } catch (error) {
      return refused(`its name has no address (${String((error as { code?: unknown }).code)})`)
    }
    return this.#checked(addresses)
  }

  #closed({ host, isAddress, port }: Target): string | undefined {
    if (port === MAIL_PORT) return 'mail (port 25) is closed'
    if (this.#policy === 'audit') return undefined
    return this.#isListed(host, isAddress, port) ? undefined : 'it is not in the list'
  }

  #isListed(host: string, isAddress: boolean, port: number): boolean {
    if (!isAddress) return nameEntries(this.#policy).some((entry) => opensName(entry, host, port))
    const number = parseAddress(host) ?? Number.NaN
    return allowEntries(this.#policy).some(({ range, protocol, firstPort, lastPort }) => {
      const isIn = range.first <= number && number <= range.last
      return isIn && protocol === 'tcp' && firstPort <= port && port <= lastPort
    })
  }

  /** One address that is not public makes the whole answer one that nobody should follow. */
  #checked(addresses: readonly string[]): Verdict {
    const { ownAddresses, denied } = this.#parts
    const own = ownAddresses()
    for (const address of addresses) {
      const number = parseAddress(address)
      if (number === undefined) return refused('its name has an address that is none')
      if (hasSpecial({ first: number, last: number })) {
        return refused(`${address} is not public; list the address and use it without the proxy`)
      }
      if (denied.some(({ first, last }) => first <= number && number <= last)) {
        return refused(`${address} is closed by the owner of this host`)
      }
      if (own.has(address)) return refused(`${address} is this host`)
    }
    if (addresses.length === 0) return refused('its name has no address')
    return { kind: 'allowed', addresses: addresses.slice(0, EGRESS_ADDRESSES_MAX) }
  }
}

function refused(reason: string): Verdict {
  return { kind: 'refused', reason }
}
