import { type AddressRange, blockRange, formatAddress, parseAddress } from './address-range.ts'
import { formatNameEntry, type NameEntry, parseNamePart } from './name-entry.ts'
import { isNeverReachable } from './special-ranges.ts'

/** What one line of `network.allow` opens that names addresses. */
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
  | { readonly kind: 'name'; readonly entry: NameEntry }
  /** What is wrong with it, to come after the text itself. */
  | { readonly kind: 'problem'; readonly text: string }

const SHAPE = /^([^:/\s]+)(?:\/(\d{1,3}))?:(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp))?$/
const PORT_MAX = 65_535
const MAIL_PORT = 25
const FORMS = 'write `10.1.2.3:5432`, `10.1.2.0/24:80-90`, `10.1.2.3:53/udp` or `a.example:443`'

/**
 * Reads `ADDRESS[/PREFIX]:PORT[-PORT][/tcp|/udp]`, IPv4 and TCP where nothing else is said, or
 * `NAME:PORT[-PORT]` and `*.NAME:PORT[-PORT]`.
 */
export function parseAllowEntry(text: string): ParsedAllowEntry {
  const match = SHAPE.exec(text)
  if (match === null) return problem(`is no address with a port: ${FORMS}`)
  const [, host = '', bits = '32', first = '', last = first, protocol = 'tcp'] = match
  const address = parseAddress(host)
  if (address === undefined) return parseName(match)
  const prefix = Number(bits)
  if (prefix > 32) return problem('has a prefix over 32: an IPv4 address has 32 bits')
  const range = blockRange(address, prefix)
  if (range === undefined)
    return problem(`has bits beyond its prefix: write ${blockOf(address, prefix)}`)
  if (isNeverReachable(range)) return problem('is never reachable from a job: remove it')
  const ports = parsePorts(first, last)
  if (ports === undefined) return problem(NO_PORTS)
  const entry = { address: host, prefix, range, protocol: protocol as 'tcp' | 'udp' }
  return { kind: 'entry', entry: { ...entry, ...ports } }
}

/** The one way that an entry is written in a job and on the wire; undefined where it is none. */
export function canonicalEntry(text: string): string | undefined {
  const parsed = parseAllowEntry(text)
  if (parsed.kind === 'problem') return undefined
  return parsed.kind === 'name' ? formatNameEntry(parsed.entry) : formatAllowEntry(parsed.entry)
}

export function formatAllowEntry(entry: AllowEntry): string {
  const { address, prefix, protocol, firstPort, lastPort } = entry
  const block = prefix === 32 ? address : `${address}/${prefix}`
  const ports = firstPort === lastPort ? String(firstPort) : `${firstPort}-${lastPort}`
  return `${block}:${ports}${protocol === 'udp' ? '/udp' : ''}`
}

function parseName([, host = '', bits, first = '', last = first, protocol]: RegExpExecArray) {
  if (/^[\d.]+$/.test(host)) return problem(`is no IPv4 address with a port: ${FORMS}`)
  const named = parseNamePart(host)
  if (named === undefined) {
    return problem('names no host: write a name with a dot in it, such as `a.example:443`')
  }
  if (bits !== undefined) return problem('has a prefix, which only addresses have: remove it')
  // Names are opened by a proxy.
  if (protocol === 'udp') return problem('names a host for UDP: names are for TCP alone')
  const ports = parsePorts(first, last)
  if (ports === undefined) return problem(NO_PORTS)
  const isMail = ports.firstPort === MAIL_PORT && ports.lastPort === MAIL_PORT
  if (isMail) return problem('opens mail (port 25), which is closed: remove it')
  return { kind: 'name', entry: { ...named, ...ports } } as const
}

const NO_PORTS = `has no such ports: they go from 1 to ${PORT_MAX}, the lower one first`

function parsePorts(first: string, last: string) {
  const [firstPort, lastPort] = [Number(first), Number(last)]
  if (firstPort < 1 || lastPort > PORT_MAX || firstPort > lastPort) return undefined
  return { firstPort, lastPort }
}

function blockOf(address: number, prefix: number): string {
  const size = 2 ** (32 - prefix)
  return `${formatAddress(address - (address % size))}/${prefix}`
}

function problem(text: string): ParsedAllowEntry {
  return { kind: 'problem', text }
}
