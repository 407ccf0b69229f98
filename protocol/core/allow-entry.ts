import { type AddressRange, blockRange, formatAddress, parseAddress } from './address-range.ts'
import { isNeverReachable } from './special-ranges.ts'

/** What one line of `network.allow` opens. */
export interface AllowEntry {
  readonly address: string
  readonly prefix: number
  readonly range: AddressRange
  readonly protocol: 'tcp' | 'udp'
  readonly firstPort: number
  readonly lastPort: number
}

export type ParsedAllowEntry =
  | { readonly kind: 'entry'; readonly entry: AllowEntry }
  /** What is wrong with it, to come after the text itself. */
  | { readonly kind: 'problem'; readonly text: string }

const SHAPE = /^([^:/\s]+)(?:\/(\d{1,3}))?:(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp))?$/
const PORT_MAX = 65_535
const FORMS = 'write `10.1.2.3:5432`, `10.1.2.0/24:80-90` or `10.1.2.3:53/udp`'

/** Reads `ADDRESS[/PREFIX]:PORT[-PORT][/tcp|/udp]`, IPv4 and TCP where nothing else is said. */
export function parseAllowEntry(text: string): ParsedAllowEntry {
  const match = SHAPE.exec(text)
  if (match === null) return problem(`is no address with a port: ${FORMS}`)
  const [, host = '', bits = '32', first = '', last = first, protocol = 'tcp'] = match
  const address = parseAddress(host)
  if (address === undefined) return problem(notAddress(host))
  const prefix = Number(bits)
  if (prefix > 32) return problem('has a prefix over 32: an IPv4 address has 32 bits')
  const range = blockRange(address, prefix)
  if (range === undefined)
    return problem(`has bits beyond its prefix: write ${blockOf(address, prefix)}`)
  if (isNeverReachable(range)) return problem('is never reachable from a job: remove it')
  const [firstPort, lastPort] = [Number(first), Number(last)]
  if (firstPort < 1 || lastPort > PORT_MAX || firstPort > lastPort) {
    return problem(`has no such ports: they go from 1 to ${PORT_MAX}, the lower one first`)
  }
  const entry = { address: host, prefix, range, protocol: protocol as 'tcp' | 'udp' }
  return { kind: 'entry', entry: { ...entry, firstPort, lastPort } }
}

/** The one way that an entry is written in a job and on the wire. */
export function formatAllowEntry(entry: AllowEntry): string {
  const { address, prefix, protocol, firstPort, lastPort } = entry
  const block = prefix === 32 ? address : `${address}/${prefix}`
  const ports = firstPort === lastPort ? String(firstPort) : `${firstPort}-${lastPort}`
  return `${block}:${ports}${protocol === 'udp' ? '/udp' : ''}`
}

function notAddress(host: string): string {
  const isNumeric = /^[\d.]+$/.test(host)
  if (isNumeric) return `is no IPv4 address with a port: ${FORMS}`
  return 'names a host, and rules for host names are not enforced yet: name its IPv4 addresses'
}

function blockOf(address: number, prefix: number): string {
  const size = 2 ** (32 - prefix)
  return `${formatAddress(address - (address % size))}/${prefix}`
}

function problem(text: string): ParsedAllowEntry {
  return { kind: 'problem', text }
}
