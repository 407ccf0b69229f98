import { createHash } from 'node:crypto'
import { BRIDGE_PREFIX } from './bridge.ts'
import { SETS } from './ruleset.ts'

/** What `nft -j list table` says of our table. */
export interface TableView {
  /** Of all but counters and the elements of SETS: equal for equal rules. */
  readonly fingerprint: string
  readonly rules: number
  readonly elements: readonly TableElement[]
}

export interface TableElement {
  readonly bridge: string
  /** As it is added and deleted, behind the name of its set. */
  readonly text: string
}

type Json = Readonly<Record<string, unknown>>

/** Throws where the text is not what `nft -j` writes. */
export function parseTable(text: string): TableView {
  const { nftables } = JSON.parse(text) as { readonly nftables: readonly Json[] }
  const objects = nftables.filter((object) => !('metainfo' in object))
  const bare = objects.map((object) => stripped(object))
  const fingerprint = createHash('sha256').update(JSON.stringify(bare)).digest('hex')
  return {
    fingerprint,
    rules: objects.filter((object) => 'rule' in object).length,
    elements: objects.flatMap((object) => elementsOf(object['set'] as Json | undefined))
  }
}

/** Handles and counts differ from one listing to the next; what a job may reach, by the jobs. */
function stripped(object: Json): unknown {
  const set = object['set'] as Json | undefined
  const isOurs = isOpening(set)
  return JSON.parse(
    JSON.stringify(object, (key, value: unknown) => {
      if (key === 'handle' || key === 'packets' || key === 'bytes') return undefined
      return isOurs && key === 'elem' ? undefined : value
    })
  )
}

function elementsOf(set: Json | undefined): readonly TableElement[] {
  if (set === undefined || !isOpening(set)) return []
  return ((set['elem'] ?? []) as readonly Json[]).flatMap((each) => {
    const concat = each['concat'] as readonly unknown[] | undefined
    const bridge = concat?.[0]
    if (concat === undefined || typeof bridge !== 'string') return []
    if (!bridge.startsWith(BRIDGE_PREFIX)) return []
    const element = [`"${bridge}"`, ...concat.slice(1).map(partOf)].join(' . ')
    return [{ bridge, text: `${String(set['name'])} ${element}` }]
  })
}

function isOpening(set: Json | undefined): boolean {
  return SETS.some((name) => name === set?.['name'])
}

function partOf(part: unknown): string {
  if (typeof part !== 'object' || part === null) return String(part)
  const { prefix, range } = part as {
    readonly prefix?: { readonly addr: string; readonly len: number }
    readonly range?: readonly [unknown, unknown]
  }
  if (prefix !== undefined) return `${prefix.addr}/${prefix.len}`
  return range === undefined ? JSON.stringify(part) : `${range[0]}-${range[1]}`
}
