import { LINK_LOCAL, SPECIAL_RANGES } from '../../../protocol/core/special-ranges.ts'

/** Ours alone; nothing else on the host is read or changed. */
export const TABLE = 'inet runner_mesh'

/**
 * What bridges may open, by the sets that hold it: what they may reach beside what their chain
 * says, and the one place of this host that a bridge may reach, its own job's proxy.
 */
export const SETS = ['allow4', 'hostok'] as const

/*
 * `accept` here ends only this table, and what the host's own rules drop stays dropped; `drop` is
 * final. Before the engine's rules, which let a job reach the host and all that is behind it.
 */
const PRIORITY = 'filter - 10'

/**
 * Jobs that send mail are spam, and a list is written by whoever writes the job. The letter of a
 * bridge's name is its policy.
 */
const CHAINS = `
  chain input {
    type filter hook input priority ${PRIORITY}; policy accept;
    iifname != "rmj*" accept
    ct state established,related accept
    iifname . ip daddr . meta l4proto . th dport @hostok accept
    counter drop
  }
  chain forward {
    type filter hook forward priority ${PRIORITY}; policy accept;
    iifname "rmj*" jump from_job
    oifname "rmj*" jump to_job
  }
  chain from_job {
    ct state established,related return
    ct state invalid drop
    meta nfproto ipv6 drop
    ct status dnat counter drop
    iifname "rmji*" goto internet
    iifname "rmja*" goto allow
    iifname "rmju*" goto open
    counter drop
  }
  chain internet {
    iifname . ip daddr . meta l4proto . th dport @allow4 return
    ip daddr @special4 counter drop
    tcp dport 25 counter drop
  }
  chain allow {
    ip daddr ${LINK_LOCAL} counter drop
    ip daddr != @special4 tcp dport 25 counter drop
    iifname . ip daddr . meta l4proto . th dport @allow4 return
    counter drop
  }
  chain open {
    ip daddr ${LINK_LOCAL} counter drop
  }
  chain to_job {
    ct state established,related return
    counter drop
  }
`

/** Rules that the table has once it is in place. */
export const RULES = CHAINS.split('\n').filter((line) => isRule(line.trim())).length

/**
 * All of the table in one transaction, in place of what was there, and with these elements of
 * its sets: there is no moment without rules.
 */
export function rulesetText(elements: readonly string[]): string {
  return [
    // The first line makes it where it is not, so that the second cannot fail.
    `table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    '  set special4 {',
    '    type ipv4_addr; flags interval;',
    `    elements = { ${SPECIAL_RANGES.join(', ')} }`,
    '  }',
    '  set allow4 {',
    '    type ifname . ipv4_addr . inet_proto . inet_service; flags interval;',
    '  }',
    '  set hostok {',
    '    type ifname . ipv4_addr . inet_proto . inet_service;',
    '  }',
    CHAINS,
    '}',
    ...elementText('add', elements)
  ].join('\n')
}

/** One statement for each set that has some; each element is written behind its set's name. */
export function elementText(verb: 'add' | 'delete', elements: readonly string[]): string[] {
  return SETS.flatMap((set) => {
    const own = elements.filter((element) => element.startsWith(`${set} `))
    const texts = own.map((element) => element.slice(set.length + 1))
    return own.length === 0 ? [] : [`${verb} element ${TABLE} ${set} { ${texts.join(', ')} }`]
  })
}

function isRule(line: string): boolean {
  return line !== '' && line !== '}' && !/^(chain|type) /.test(line)
}
