import type { IncomingMessage } from 'node:http'
import { formatAddress, parseAddress } from '../../../protocol/core/address-range.ts'
import { canonicalHostName } from '../../../protocol/core/host-name.ts'

/** Where a request wants to go. */
export interface Target {
  /** Canonical name of a host, or an IPv4 address. */
  readonly host: string
  readonly isAddress: boolean
  readonly port: number
  /** As the job wrote it: it may hold a secret in its own spelling. */
  readonly asked: string
}

export type ReadTarget =
  | { readonly kind: 'target'; readonly target: Target; readonly path: string }
  /** What is wrong with it. */
  | { readonly kind: 'problem'; readonly text: string }

const HTTP_PORT = 80
const PORT_MAX = 65_535
const AUTHORITY = /^([^\s:@/?#[\]\\]+)(?::(\d{1,5}))?$/
const ABSOLUTE = /^http:\/\/([^/?#]*)(\/[^#]*|\?[^#]*)?$/i

/** What `CONNECT` names: host and port, and a `Host` that says nothing else. */
export function readTunnel(request: IncomingMessage): ReadTarget {
  const target = parseAuthority(request.url ?? '', undefined)
  if (target === undefined) return problem('CONNECT needs a name or an IPv4 address, and a port')
  return agreed(request, target, '', target.port)
}

/** What a plain request names by an absolute URI. */
export function readRequest(request: IncomingMessage): ReadTarget {
  const [, authority = '', path = ''] = ABSOLUTE.exec(request.url ?? '') ?? []
  const target = parseAuthority(authority, HTTP_PORT)
  if (target === undefined) {
    return problem('a proxy needs the whole address: http://, a name or an IPv4 address, a path')
  }
  return agreed(request, target, path.startsWith('/') ? path : `/${path}`, HTTP_PORT)
}

/** Of two hosts in one request, one would be judged and the other one asked. */
function agreed(
  request: IncomingMessage,
  target: Target,
  path: string,
  defaultPort: number
): ReadTarget {
  const hosts = valuesOf(request.rawHeaders, 'host')
  if (hosts.length > 1) return problem('it has more than one Host')
  const [text] = hosts
  if (text === undefined) return { kind: 'target', target, path }
  const host = parseAuthority(text, defaultPort)
  if (host?.host !== target.host || host.port !== target.port) {
    return problem('its Host is another one than it asks for')
  }
  return { kind: 'target', target, path }
}

/** Undefined for whatever could be read in two ways: odd forms of addresses, IPv6, a user. */
export function parseAuthority(text: string, defaultPort: number | undefined): Target | undefined {
  const match = AUTHORITY.exec(text)
  if (match === null) return undefined
  const [, asked = '', digits] = match
  const port = digits === undefined ? defaultPort : Number(digits)
  if (port === undefined || port < 1 || port > PORT_MAX) return undefined
  const address = parseAddress(asked)
  if (address !== undefined) return { host: formatAddress(address), isAddress: true, port, asked }
  const host = canonicalHostName(asked)
  return host === undefined ? undefined : { host, isAddress: false, port, asked }
}

/** All values of one field, in lower case, of a message's names and values in turn. */
export function valuesOf(raw: readonly string[], field: string): readonly string[] {
  return raw.filter((_, at) => at % 2 === 1 && raw[at - 1]?.toLowerCase() === field)
}

function problem(text: string): ReadTarget {
  return { kind: 'problem', text }
}
