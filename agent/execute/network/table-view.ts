import { createHash } from 'node:crypto'
import { BRIDGE_PREFIX } from './bridge.ts'
import { besideOpening, deniedOpening, type Opening } from './openings.ts'
import type { TableView } from './rule-table.ts'
import { COUNTS, DENIED, SETS } from './ruleset.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * What `nft -j list table` says of our table, with openings of devices that begin with `prefix`.
 * Throws where the text is not what it writes.
 */
export function parseTable(text: string, prefix: string = BRIDGE_PREFIX): TableView {
  const { nftables } = JSON.parse(text) as { readonly nftables: readonly Json[] }
  const objects = nftables.filter((object) => !('metainfo' in object))
  const bare = objects.map((object) => stripped(object))
  const fingerprint = createHash('sha256').update(JSON.stringify(bare)).digest('hex')
  return {
    fingerprint,
    rules: objects.filter((object) => 'rule' in object).length,
    openings: objects.flatMap((object) => openingsOf(object['set'] as Json | undefined, prefix))
  }
}

/** Handles and counts differ from one listing to the next; what a job may reach, by the jobs. */
function stripped(object: Json): unknown {
  const set = object['set'] as Json | undefined
  const isOurs = hasOpenings(set) || COUNTS.some((name) => name === set?.['name'])
  return JSON.parse(
    JSON.stringify(object, (key, value: unknown) => {
      if (key === 'handle' || key === 'packets' || key === 'bytes') return undefined
      return isOurs && key === 'elem' ? undefined : value
    })
  )
}

/** By its number where a host has no `/etc/protocols`. */
const PROTOCOLS = new Map<unknown, Opening['protocol']>([
  ['tcp', 'tcp'],
  ['udp', 'udp'],
  [6, 'tcp'],
  [17, 'udp']
])

function openingsOf(set: Json | undefined, prefix: string): readonly Opening[] {
  if (set === undefined || !hasOpenings(set)) return []
  const isBeside = set['name'] === 'same'
  const isDenied = set['name'] === DENIED
  const where = set['name'] === 'hostok' ? ({ host: true } as const) : {}
  return ((set['elem'] ?? []) as readonly Json[]).flatMap((element) => {
    // A text has a `concat` of its own.
    const concat = Object(element) === element ? element['concat'] : undefined
    const [bridge, block, number, ports] = (concat ?? []) as readonly unknown[]
    const protocol = PROTOCOLS.get(number)
    if (typeof bridge !== 'string' || !bridge.startsWith(prefix)) return []
    if (isBeside) return block === bridge ? [besideOpening(bridge)] : []
    if (isDenied) {
      const { address, prefix } = blockOf(block)
      return [deniedOpening(bridge, address, prefix)]
    }
    if (protocol === undefined) return []
    return [{ bridge, ...blockOf(block), protocol, ports: portsOf(ports), ...where }]
  })
}

function hasOpenings(set: Json | undefined): boolean {
  return [...SETS, DENIED].some((name) => name === set?.['name'])
}

/** The kernel lists a block of one address without its prefix. */
function blockOf(part: unknown): Pick<Opening, 'address' | 'prefix'> {
  if (typeof part === 'string') return { address: part, prefix: 32 }
  const { addr, len } = (part as { readonly prefix: { addr: string; len: number } }).prefix
  return { address: addr, prefix: len }
}

function portsOf(part: unknown): Opening['ports'] {
  if (typeof part === 'number') return { first: part, last: part }
  const [first, last] = (part as { readonly range: readonly [number, number] }).range
  return { first, last }
}
