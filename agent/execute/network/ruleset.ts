import {
  JOB_CONNECTIONS_BURST,
  JOB_CONNECTIONS_MAX,
  JOB_CONNECTIONS_PER_S
} from '../../../protocol/core/network-limits.ts'
import { METADATA_RANGES, SPECIAL_RANGES } from '../../../protocol/core/special-ranges.ts'
import { OURS } from './flow-mark.ts'
import type { Opening } from './openings.ts'

/** Ours alone; nothing else on the host is read or changed. */
export const TABLE = 'inet runner_mesh'

/** Sets that the kernel itself fills, with what each bridge has open and opens. */
export const COUNTS = ['flows', 'rates'] as const

/** What is over, of one set of bridges or of a namespace of one job's own. */
export const OVER = {
  flows: `ct count over ${JOB_CONNECTIONS_MAX}`,
  rates: `limit rate over ${JOB_CONNECTIONS_PER_S}/second burst ${JOB_CONNECTIONS_BURST} packets`
} as const

/** Sets of openings: of places beyond the host, of the host itself, of bridges with services. */
export const SETS = ['allow4', 'hostok', 'same'] as const

/** What the owners of the agents deny, each the bridges of his own. */
export const DENIED = 'barred4'

/*
 * `accept` here ends only this table, and what the host's own rules drop stays dropped; `drop` is
 * final. Before the engine's rules, which let a job reach the host and all that is behind it.
 */
const PRIORITY = 'filter - 10'

/**
 * Jobs that send mail are spam, and a list is written by whoever writes the job. The letter of a
 * bridge's name is its policy. What was open before the rules were there, while somebody had taken
 * them away say, has no mark of theirs, and is judged as if it were new.
 */
const CHAINS = `
  chain input {
    type filter hook input priority ${PRIORITY}; policy accept;
    iifname "rms*" counter drop
    iifname != "rmj*" accept
    ct state established,related ct direction reply accept
    ct state new jump limits
    iifname . ip daddr . meta l4proto . th dport @hostok accept
    counter drop
  }
  chain forward {
    type filter hook forward priority ${PRIORITY}; policy accept;
    iifname "rmj*" jump from_job
    iifname "rmj*" ct mark and ${OURS} == 0 ct mark set ct mark or ${OURS}
    oifname "rmj*" jump to_job
  }
  chain from_job {
    ct state established,related ct mark and ${OURS} != 0 return
    ct state invalid drop
    meta nfproto ipv6 drop
    ct status dnat counter drop
    iifname . oifname @same accept
    ct state new jump limits
    iifname "rmji*" goto internet
    iifname "rmja*" goto allow
    iifname "rmju*" goto open
    counter drop
  }
  chain limits {
    add @flows { iifname ${OVER.flows} } counter drop
    update @rates { iifname ${OVER.rates} } counter drop
  }
  chain internet {
    iifname . ip daddr . meta l4proto . th dport @allow4 return
    iifname . ip daddr @${DENIED} counter drop
    ip daddr @special4 counter drop
    tcp dport 25 counter drop
  }
  chain allow {
    ip daddr @metadata4 counter drop
    iifname . ip daddr @${DENIED} counter drop
    ip daddr != @special4 tcp dport 25 counter drop
    iifname . ip daddr . meta l4proto . th dport @allow4 return
    counter drop
  }
  chain open {
    ip daddr @metadata4 counter drop
    iifname . ip daddr @${DENIED} counter drop
  }
  chain to_job {
    ct state established,related ct mark and ${OURS} != 0 return
    counter drop
  }
`

/** Rules that the table has once it is in place. */
export const RULES = CHAINS.split('\n').filter((line) => isRule(line.trim())).length

/** All of the table in one transaction, in place of what was there, and with these openings. */
export function rulesetText(openings: readonly Opening[]): string {
  return [
    // The first line makes it where it is not, so that the second cannot fail.
    `table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    '  set special4 {',
    '    type ipv4_addr; flags interval;',
    `    elements = { ${SPECIAL_RANGES.join(', ')} }`,
    '  }',
    '  set metadata4 {',
    '    type ipv4_addr; flags interval;',
    `    elements = { ${METADATA_RANGES.join(', ')} }`,
    '  }',
    `  set ${DENIED} {`,
    '    type ifname . ipv4_addr; flags interval;',
    '  }',
    '  set flows {',
    '    type ifname; size 65535; flags dynamic;',
    '  }',
    '  set rates {',
    '    type ifname; size 65535; flags dynamic,timeout; timeout 10m;',
    '  }',
    '  set allow4 {',
    '    type ifname . ipv4_addr . inet_proto . inet_service; flags interval;',
    '  }',
    '  set hostok {',
    '    type ifname . ipv4_addr . inet_proto . inet_service;',
    '  }',
    '  set same {',
    '    type ifname . ifname;',
    '  }',
    CHAINS,
    '}',
    ...elementText('add', openings)
  ].join('\n')
}

/** One statement for each set that has some. */
export function elementText(verb: 'add' | 'delete', openings: readonly Opening[]): string[] {
  return [...SETS, DENIED].flatMap((set) => {
    const own = openings.filter((opening) => setOf(opening) === set)
    if (own.length === 0) return []
    return [`${verb} element ${TABLE} ${set} { ${own.map(element).join(', ')} }`]
  })
}

function setOf({ host, beside, denied }: Opening): (typeof SETS)[number] | typeof DENIED {
  if (denied === true) return DENIED
  if (beside === true) return 'same'
  return host === true ? 'hostok' : 'allow4'
}

function element({ bridge, address, prefix, protocol, ports, host, beside, denied }: Opening) {
  if (beside === true) return `"${bridge}" . "${bridge}"`
  if (denied === true) return `"${bridge}" . ${address}/${prefix}`
  const { first, last } = ports
  // A set of single places takes no blocks.
  const block = host === true ? address : `${address}/${prefix}`
  return `"${bridge}" . ${block} . ${protocol} . ${first === last ? first : `${first}-${last}`}`
}

function isRule(line: string): boolean {
  return line !== '' && line !== '}' && !/^(chain|type) /.test(line)
}
