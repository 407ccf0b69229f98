import { canonicalHostName } from './host-name.ts'

/** A line of `network.allow` that names a host, or all that are below a name. TCP alone. */
export interface NameEntry {
  /** Canonical; without the `*.` of a wildcard. */
  readonly name: string
  /** True for every name below `name`, however deep, and not `name` itself. */
  readonly below: boolean
  readonly firstPort: number
  readonly lastPort: number
}

const WILDCARD = '*.'

/** The host part of an entry; undefined where it is no name of a host. */
export function parseNamePart(text: string): Pick<NameEntry, 'name' | 'below'> | undefined {
  const below = text.startsWith(WILDCARD)
  const name = canonicalHostName(below ? text.slice(WILDCARD.length) : text)
  return name === undefined ? undefined : { name, below }
}

export function formatNameEntry({ name, below, firstPort, lastPort }: NameEntry): string {
  const ports = firstPort === lastPort ? String(firstPort) : `${firstPort}-${lastPort}`
  return `${below ? WILDCARD : ''}${name}:${ports}`
}

/** Whether the entry opens this port of the host with this canonical name. */
export function opensName(entry: NameEntry, name: string, port: number): boolean {
  if (port < entry.firstPort || entry.lastPort < port) return false
  return entry.below ? name.endsWith(`.${entry.name}`) : name === entry.name
}
