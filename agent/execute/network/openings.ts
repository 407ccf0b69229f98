import {
  type AddressRange,
  holdsRange,
  parseAddress
} from '../../../protocol/core/address-range.ts'
import type { AllowEntry } from '../../../protocol/core/allow-entry.ts'
import { allowEntries } from '../../../protocol/core/network.ts'
import type { NetworkedPolicy } from './bridge.ts'

const DNS_PORT = 53

interface Ports {
  readonly first: number
  readonly last: number
}

/** Addresses and ports that a bridge may reach beside what its policy says. */
export interface Opening extends Pick<AllowEntry, 'address' | 'prefix' | 'protocol'> {
  readonly bridge: string
  readonly ports: Ports
  /** Of the host itself, which no list opens; absent for what is beyond it. */
  readonly host?: true
  /** Whatever else is on the bridge, whose address and ports are then of no meaning. */
  readonly beside?: true
  /** The opposite: what the owner denies this bridge, on every port and by every protocol. */
  readonly denied?: true
}

/** Equal for what opens the same. */
export function openingKey(opening: Opening): string {
  const { bridge, address, prefix, protocol, ports, host, beside, denied } = opening
  if (beside === true) return `${bridge} beside`
  if (denied === true) return `${bridge} not ${address}/${prefix}`
  const where = host === true ? ' of the host' : ''
  return `${bridge} ${address}/${prefix} ${protocol} ${ports.first}-${ports.last}${where}`
}

/** The one place of the host that a job may reach: its own proxy. */
export function hostOpening(bridge: string, address: string, port: number): Opening {
  const ports = { first: port, last: port }
  return { bridge, address, prefix: 32, protocol: 'tcp', ports, host: true }
}

/**
 * For a job with services: kernels that show frames of one bridge to these rules would drop them.
 * Whoever does not know `beside` opens an address that nobody has.
 */
export function besideOpening(bridge: string): Opening {
  const nowhere = { address: '0.0.0.0', prefix: 32, protocol: 'tcp' } as const
  return { bridge, ...nowhere, ports: { first: 0, last: 0 }, beside: true }
}

/**
 * Of one bridge, since other agents of this host have owners and lists of their own. Whoever does
 * not know `denied` opens ports that nothing has.
 */
export function deniedOpening(bridge: string, address: string, prefix: number): Opening {
  const ports = { first: 0, last: 0 }
  return { bridge, address, prefix, protocol: 'tcp', ports, denied: true }
}

/**
 * What a job's bridge may reach beside what its policy says: its list, or with `internet` the
 * owner's name servers, which may be in the owner's own network.
 */
export function openingsFor(
  policy: NetworkedPolicy,
  bridge: string,
  nameServers: readonly string[]
): readonly Opening[] {
  if (policy === 'open' || policy === 'none') return []
  const entries = policy === 'internet' ? nameServers.flatMap(dnsEntries) : allowEntries(policy)
  return disjoint(entries).map((entry) => ({ bridge, ...entry }))
}

/**
 * Kernels refuse elements of a set that overlap. Blocks lie within one another or apart, so that
 * each keeps the ports that no block around it has.
 */
function disjoint(entries: readonly AllowEntry[]): readonly Omit<Opening, 'bridge'>[] {
  const blocks = new Map<string, AllowEntry[]>()
  for (const entry of entries) {
    const key = `${entry.protocol} ${entry.address}/${entry.prefix}`
    blocks.set(key, [...(blocks.get(key) ?? []), entry])
  }
  return [...blocks.values()].flatMap((own) => {
    const [{ address, prefix, protocol, range } = entries[0] as AllowEntry] = own
    const around = entries.filter((other) => other.protocol === protocol && isAround(other, range))
    const left = subtract(own.map(portsOf), around.map(portsOf))
    return left.map((ports) => ({ address, prefix, protocol, ports }))
  })
}

function isAround(outer: AllowEntry, range: AddressRange): boolean {
  const isSame = outer.range.first === range.first && outer.range.last === range.last
  return !isSame && holdsRange(outer.range, range)
}

/** The ports of the first list and not of the second, in order and apart. */
function subtract(ports: readonly Ports[], without: readonly Ports[]): readonly Ports[] {
  const edges = [...ports, ...without].flatMap(({ first, last }) => [first, last + 1])
  const sorted = [...new Set(edges)].sort((a, b) => a - b)
  const left: Ports[] = []
  for (const [index, first] of sorted.entries()) {
    const has = ({ first: from, last: to }: Ports): boolean => from <= first && first <= to
    const last = (sorted[index + 1] ?? first) - 1
    if (!ports.some(has) || without.some(has)) continue
    const before = left.at(-1)
    if (before?.last === first - 1) left[left.length - 1] = { first: before.first, last }
    else left.push({ first, last })
  }
  return left
}

function portsOf({ firstPort, lastPort }: AllowEntry): Ports {
  return { first: firstPort, last: lastPort }
}

function dnsEntries(address: string): readonly AllowEntry[] {
  const number = parseAddress(address)
  if (number === undefined) return []
  const range = { first: number, last: number }
  const common = { address, prefix: 32, range, firstPort: DNS_PORT, lastPort: DNS_PORT }
  return [
    { ...common, protocol: 'udp' },
    { ...common, protocol: 'tcp' }
  ]
}
