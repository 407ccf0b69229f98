import { ADDRESS_CHARACTERS_MAX, ADDRESSES_MAX, NAME_CHARACTERS_MAX } from './limits.ts'

/** A name that stands in logs, tables and container labels as it is. */
export const MEMBER_NAME = /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i

/** A multiaddr that a member can be reached at, or listens on: host and TCP port, nothing else. */
export const MEMBER_ADDRESS = /^\/(ip4|ip6|dns|dns4|dns6)\/[^/\s]+\/tcp\/\d{1,5}$/

export function isMemberName(text: string): boolean {
  return text.length <= NAME_CHARACTERS_MAX && MEMBER_NAME.test(text)
}

export function isMemberAddress(text: string): boolean {
  return text.length <= ADDRESS_CHARACTERS_MAX && MEMBER_ADDRESS.test(text)
}

/** Where a host says that it can be reached. */
export interface Reach {
  readonly addresses: readonly string[]
  /** TCP ports where it listens on all its addresses. */
  readonly ports: readonly number[]
}

const PARTS = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/\s]+)\/tcp\/(\d{1,5})$/
const ANY_HOST: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/**
 * What can be said to others of where this host listens: of 0.0.0.0 no more than the port, since
 * only the other side sees the address.
 */
export function reachOf(listen: readonly string[]): Reach {
  const isAny = (address: string): boolean => ANY_HOST.has(PARTS.exec(address)?.[2] ?? '')
  const ports = listen.filter(isAny).map((address) => Number(PARTS.exec(address)?.[3]))
  return { addresses: listen.filter((address) => !isAny(address)), ports: [...new Set(ports)] }
}

/** IPv4 as a socket for both kinds of addresses shows it. */
const MAPPED = /^\/ip6\/::ffff:(\d{1,3}(?:\.\d{1,3}){3})\//

/**
 * The addresses to enter for a host: those that it gave, and the one that its connection came from
 * with each port that it listens on. `seen` is the multiaddr of the connection's other end.
 */
export function addressesOf(reach: Reach, seen: string | undefined): readonly string[] {
  const plain = seen?.replace(MAPPED, '/ip4/$1/')
  const host = /^\/(?:ip4|ip6)\/[^/\s]+(?=\/tcp\/)/.exec(plain ?? '')?.[0]
  const observed = host === undefined ? [] : reach.ports.map((port) => `${host}/tcp/${port}`)
  return [...new Set([...reach.addresses, ...observed])].slice(0, ADDRESSES_MAX)
}
