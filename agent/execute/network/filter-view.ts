import { createHash } from 'node:crypto'
import { BRIDGE_PREFIX } from './bridge.ts'
import { chainsOf, DENY, type Family, HOOKS, HOST, IN, LIST } from './chains.ts'
import { deniedOpening, type Opening } from './openings.ts'
import type { TableView } from './rule-table.ts'
import type { SavedFilter } from './saved-filter.ts'

/** Undefined where a family has no chain of ours. */
export function viewOf(families: ReadonlyMap<Family, SavedFilter>): TableView | undefined {
  const all = [...families]
  if (all.some(([, view]) => !view.has(IN))) return undefined
  const seen = all.map(([family, view]) => [family, isFirst(view), ownOf(family, view)] as const)
  return {
    fingerprint: createHash('sha256').update(JSON.stringify(seen)).digest('hex'),
    rules: seen.reduce((sum, [, hooked, own]) => sum + own.length + (hooked ? HOOKS_COUNT : 0), 0),
    openings: all.flatMap(([, view]) => [
      ...view.rulesOf(LIST).flatMap(openingOf),
      ...view.rulesOf(HOST).flatMap((rule) => openingOf(rule).map(ofHost)),
      ...view.rulesOf(DENY).flatMap(denialOf)
    ])
  }
}

const HOOKS_COUNT = HOOKS.input.length + HOOKS.forward.length

/** Whether nothing of the host's lets a packet through before ours have seen it. */
function isFirst(view: SavedFilter): boolean {
  const begins = (chain: string, hooks: readonly string[]): boolean =>
    hooks.every((hook, index) => view.rulesOf(chain)[index] === hook)
  const viaEngine =
    view.rulesOf('FORWARD')[0] === '-j DOCKER-USER' && begins('DOCKER-USER', HOOKS.forward)
  return begins('INPUT', HOOKS.input) && (viaEngine || begins('FORWARD', HOOKS.forward))
}

/** Rules of our chains, openings left out. */
function ownOf(family: Family, view: SavedFilter): readonly string[] {
  return chainsOf(family).flatMap((chain) => {
    const isList = chain === LIST || chain === HOST
    // The same words anywhere else are a hole.
    const isOwn = (rule: string): boolean =>
      chain === DENY ? denialOf(rule).length === 0 : !isList || openingOf(rule).length === 0
    const rules = view.rulesOf(chain).filter(isOwn)
    return rules.map((rule) => `${chain} ${rule}`)
  })
}

function ofHost(opening: Opening): Opening {
  return { ...opening, host: true }
}

const OPENING = new RegExp(
  `^(?:-d ([0-9.]+)/(\\d+) )?-i (${BRIDGE_PREFIX}\\w+) -p (tcp|udp) -m \\4 --dport (\\d+)(?::(\\d+))? -j RETURN$`
)

function openingOf(rule: string): readonly Opening[] {
  const match = OPENING.exec(rule)
  if (match === null) return []
  // A block of all addresses is listed as none.
  const [, address = '0.0.0.0', prefix = '0', bridge = '', protocol, first, last = first] = match
  const ports = { first: Number(first), last: Number(last) }
  return [{ bridge, address, prefix: Number(prefix), protocol: protocol as 'tcp' | 'udp', ports }]
}

const DENIAL = new RegExp(
  `^(?:-d ([0-9.]+)/(\\d+) )?-i (${BRIDGE_PREFIX}\\w+) (?:-j DROP|-g ${LIST})$`
)

function denialOf(rule: string): readonly Opening[] {
  const match = DENIAL.exec(rule)
  if (match === null) return []
  const [, address = '0.0.0.0', prefix = '0', bridge = ''] = match
  return [deniedOpening(bridge, address, Number(prefix))]
}
