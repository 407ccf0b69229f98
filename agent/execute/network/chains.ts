import {
  JOB_CONNECTIONS_BURST,
  JOB_CONNECTIONS_MAX,
  JOB_CONNECTIONS_PER_S,
  JOB_SUBNET_BITS
} from '../../../protocol/core/network-limits.ts'
import { METADATA_RANGES, SPECIAL_RANGES } from '../../../protocol/core/special-ranges.ts'
import { BRIDGE_PREFIX, CLOSED_PREFIX } from './bridge.ts'
import { OURS } from './flow-mark.ts'
import type { Opening } from './openings.ts'
import type { SavedFilter } from './saved-filter.ts'

/** What bridges may reach beside their policy, one rule each. */
export const LIST = 'RUNNER-MESH-LIST'
/** What of the host they may reach: each its own proxy. */
export const HOST = 'RUNNER-MESH-HOST'
export const IN = 'RUNNER-MESH-IN'
/** What their owners deny them, one rule each. */
export const DENY = 'RUNNER-MESH-DENY'
const FROM = 'RUNNER-MESH-FROM'
const INTERNET = 'RUNNER-MESH-INTERNET'
const ALLOW = 'RUNNER-MESH-ALLOW'
const MAIL = 'RUNNER-MESH-MAIL'
const OPEN = 'RUNNER-MESH-OPEN'
const TO = 'RUNNER-MESH-TO'
const MARK = 'RUNNER-MESH-MARK'
const LIMITS = 'RUNNER-MESH-LIMITS'

/** Chains of the host's that ours are hooked into; no other is changed. */
const PLACES = ['INPUT', 'FORWARD', 'DOCKER-USER'] as const

const MINE = `${BRIDGE_PREFIX}+`
const CLOSED = `${CLOSED_PREFIX}+`
/** In their order at the top of a chain of the host's. */
export const HOOKS = {
  input: [`-i ${MINE} -j ${IN}`, `-i ${CLOSED} -j ${IN}`],
  forward: [`-i ${MINE} -j ${FROM}`, `-i ${MINE} -j ${MARK}`, `-o ${MINE} -j ${TO}`]
} as const

export type Family = 'IPv4' | 'IPv6'
type Chains = readonly (readonly [name: string, rules: readonly string[]])[]

const KNOWN = '-m conntrack --ctstate RELATED,ESTABLISHED'
/** Of what our rules have let out: what was open before they were there is judged as if new. */
const ANSWERS = `${KNOWN} -m connmark --mark ${OURS}/${OURS} -j RETURN`
const NEW = '-m conntrack --ctstate NEW'
/** Of all that is on one bridge, which has a subnet of its own. */
const OPENED = [
  `-m connlimit --connlimit-above ${JOB_CONNECTIONS_MAX} --connlimit-mask ${JOB_SUBNET_BITS}`,
  '--connlimit-saddr -j DROP'
].join(' ')
const OPENING = [
  `-m hashlimit --hashlimit-above ${JOB_CONNECTIONS_PER_S}/sec`,
  `--hashlimit-burst ${JOB_CONNECTIONS_BURST} --hashlimit-mode srcip`,
  `--hashlimit-name runner-mesh --hashlimit-srcmask ${JOB_SUBNET_BITS} -j DROP`
].join(' ')
const BRIDGED = '-m physdev --physdev-is-bridged -j RETURN'
const MAIL_PORT = '-p tcp -m tcp --dport 25'
const NO_METADATA = METADATA_RANGES.map((range) => `-d ${range} -j DROP`)

/**
 * RETURN leaves the packet to the host's own rules, as `accept` of a table of nft's does. Policies
 * are gone to (`-g`): with `-j` their RETURN would come back to FROM, and fall into its last rule.
 */
const CHAINS: Readonly<Record<Family, Chains>> = {
  IPv4: [
    [
      IN,
      [
        `-i ${CLOSED} -j DROP`,
        `${KNOWN} --ctdir REPLY -j RETURN`,
        `${NEW} -j ${LIMITS}`,
        `-g ${HOST}`
      ]
    ],
    [LIMITS, [OPENED, OPENING]],
    [MARK, [`-j CONNMARK --set-xmark ${OURS}/${OURS}`]],
    [HOST, ['-j DROP']],
    [
      FROM,
      [
        // Never leaves its bridge: from a job to its services.
        BRIDGED,
        ANSWERS,
        '-m conntrack --ctstate INVALID -j DROP',
        // A port that a neighbour has published, whichever address of the host it was asked at.
        '-m conntrack --ctstate DNAT -j DROP',
        // Once, where a packet comes by here twice: at the top of FORWARD, and of the engine's own.
        `${NEW} -m connmark --mark 0x0/${OURS} -j ${LIMITS}`,
        `-i ${BRIDGE_PREFIX}i+ -g ${INTERNET}`,
        `-i ${BRIDGE_PREFIX}a+ -g ${ALLOW}`,
        `-i ${BRIDGE_PREFIX}u+ -g ${OPEN}`,
        '-j DROP'
      ]
    ],
    [
      INTERNET,
      [
        `-j ${DENY}`,
        ...SPECIAL_RANGES.map((range) => `-d ${range} -g ${LIST}`),
        `${MAIL_PORT} -j DROP`
      ]
    ],
    [ALLOW, [...NO_METADATA, `-j ${DENY}`, `${MAIL_PORT} -g ${MAIL}`, `-g ${LIST}`]],
    // Whoever writes the job writes the list: mail goes to addresses that are not public alone.
    [MAIL, [...SPECIAL_RANGES.map((range) => `-d ${range} -g ${LIST}`), '-j DROP']],
    [OPEN, [...NO_METADATA, `-j ${DENY}`]],
    [DENY, []],
    [LIST, ['-j DROP']],
    [TO, [BRIDGED, ANSWERS, '-j DROP']]
  ],
  IPv6: [IN, FROM, MARK, TO].map((name) => [name, ['-j DROP']])
}

/** Names of our chains in a family. */
export function chainsOf(family: Family): readonly string[] {
  return CHAINS[family].map(([name]) => name)
}

/** Rules that a family has once all are in place, with its hooks and without openings. */
export function rulesOf(family: Family): number {
  const own = CHAINS[family].reduce((sum, [, rules]) => sum + rules.length, 0)
  return own + HOOKS.input.length + HOOKS.forward.length
}

/**
 * Our chains and hooks in place of what `found` has of them, as one input of `iptables-restore
 * --noflush`: a chain that is declared is emptied, and all of it is there at once.
 */
export function restoreText(
  family: Family,
  found: SavedFilter,
  openings: readonly Opening[]
): string {
  const chains = CHAINS[family]
  const stale = PLACES.flatMap((place) => {
    return found
      .rulesOf(place)
      .filter(isHook)
      .map((rule) => `-D ${place} ${rule}`)
  })
  return text([
    ...chains.map(([name]) => `:${name} - [0:0]`),
    ...chains.flatMap(([name, rules]) => [
      ...openings.filter((each) => chainOf(each) === name).map(appended),
      ...rules.map((rule) => `-A ${name} ${rule}`)
    ]),
    ...stale,
    ...hooksAt('INPUT', HOOKS.input),
    ...hooksAt('FORWARD', HOOKS.forward),
    // The engine puts its jump to this one back to the top with each network that it makes.
    ...(found.has('DOCKER-USER') ? hooksAt('DOCKER-USER', HOOKS.forward) : [])
  ])
}

/** Before the last rule of each list, which drops. */
export function addText(openings: readonly Opening[]): string {
  return text(openings.map((each) => `-I ${chainOf(each)} 1 ${openingRule(each)}`))
}

export function removeText(openings: readonly Opening[]): string {
  return text(openings.map((each) => `-D ${chainOf(each)} ${openingRule(each)}`))
}

function chainOf({ host, denied }: Opening): string {
  if (denied === true) return DENY
  return host === true ? HOST : LIST
}

function appended(opening: Opening): string {
  return `-A ${chainOf(opening)} ${openingRule(opening)}`
}

function hooksAt(place: string, hooks: readonly string[]): readonly string[] {
  return hooks.map((hook, index) => `-I ${place} ${index + 1} ${hook}`)
}

function isHook(rule: string): boolean {
  const hooks: readonly string[] = [...HOOKS.input, ...HOOKS.forward]
  return hooks.includes(rule)
}

function openingRule({ bridge, address, prefix, protocol, ports, denied }: Opening): string {
  const { first, last } = ports
  const range = first === last ? String(first) : `${first}:${last}`
  const to = `-d ${address}/${prefix} -i ${bridge}`
  if (denied === true) return `${to} ${denialOf(bridge)}`
  return `${to} -p ${protocol} -m ${protocol} --dport ${range} -j RETURN`
}

/**
 * Under `internet` what is listed are the owner's own name servers, which he has named as well. The
 * RETURN of such a rule comes back behind the jump to here.
 */
function denialOf(bridge: string): string {
  return bridge.startsWith(`${BRIDGE_PREFIX}i`) ? `-g ${LIST}` : '-j DROP'
}

function text(lines: readonly string[]): string {
  return ['*filter', ...lines, 'COMMIT', ''].join('\n')
}
