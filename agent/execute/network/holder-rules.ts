import { METADATA_RANGES, SPECIAL_RANGES } from '../../../protocol/core/special-ranges.ts'
import type { NetworkedPolicy } from './bridge.ts'
import { type Denied, deniedSet } from './denied.ts'
import type { Opening } from './openings.ts'
import { elementText, OVER, SETS, TABLE } from './ruleset.ts'

const TO_PROXY = 'oifname . ip daddr . meta l4proto . th dport @hostok accept'
const LISTED = 'oifname . ip daddr . meta l4proto . th dport @allow4 accept'

/**
 * Of a network namespace of one job's own: what its sockets send meets them, whatever device, route
 * or neighbour they ask for. Routes that prohibit do not: an option of a socket goes around them.
 */
export interface HolderRules {
  readonly policy: Exclude<NetworkedPolicy, 'open'>
  /** Each of the host's own. */
  readonly host: readonly string[]
  readonly openings: readonly Opening[]
  /** The owner's. */
  readonly denied: Denied
}

const ELEMENTS = 'type ifname . ipv4_addr . inet_proto . inet_service; flags interval;'
/** What the job's end of the wire is called inside. */
const DEVICE = 'eth0'

export function holderText(rules: HolderRules): string {
  const { host, openings } = rules
  const inside = openings.map((opening) => ({ ...opening, bridge: DEVICE }))
  return [
    `table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    ...constantSet('special4', SPECIAL_RANGES),
    ...constantSet('metadata4', METADATA_RANGES),
    ...deniedSet(rules.denied),
    `  set host4 { type ipv4_addr; elements = { ${[...new Set(host)].join(', ')} }`,
    '  }',
    ...SETS.flatMap((name) => [`  set ${name} { ${ELEMENTS}`, '  }']),
    ...chains(rules),
    '}',
    ...elementText('add', inside)
  ].join('\n')
}

function constantSet(name: string, ranges: readonly string[]): readonly string[] {
  return [
    `  set ${name} { type ipv4_addr; flags interval; elements = { ${ranges.join(', ')} }`,
    '  }'
  ]
}

/** Rules that the table has once it is in place. */
export function holderCount(rules: HolderRules): number {
  return chains(rules).filter((line) => line.startsWith('    ') && !/^ +type /.test(line)).length
}

function chains({ policy }: HolderRules): readonly string[] {
  return [
    '  chain output {',
    '    type filter hook output priority filter - 10; policy drop;',
    '    oifname "lo" accept',
    '    ct state established,related accept',
    `    ct state new ${OVER.flows} counter drop`,
    `    ct state new ${OVER.rates} counter drop`,
    `    ${TO_PROXY}`,
    '    ip daddr @host4 counter drop',
    '    ip daddr @metadata4 counter drop',
    ...(policy === 'internet' ? INTERNET : LIST).map((rule) => `    ${rule}`),
    '    counter drop',
    '  }',
    '  chain input {',
    '    type filter hook input priority filter - 10; policy drop;',
    '    iifname "lo" accept',
    '    ct state established,related accept',
    '    counter drop',
    '  }'
  ]
}

const INTERNET = [
  LISTED,
  'ip daddr @denied4 counter drop',
  'ip daddr @special4 counter drop',
  'tcp dport 25 counter drop',
  'meta nfproto ipv4 accept'
]

const LIST = [
  'ip daddr @denied4 counter drop',
  'ip daddr != @special4 tcp dport 25 counter drop',
  LISTED
]
