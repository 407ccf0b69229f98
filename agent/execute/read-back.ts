import { createHash } from 'node:crypto'
import { MeshError } from '../../protocol/core/errors.ts'
import type { ContainerBody, ContainerView, Mount } from './engine-types.ts'

/** Characters of a text that an error still shows whole: an image's digest is one. */
const TEXT_CHARACTERS_MAX = 128
/** Of a longer one; enough to see what it is. */
const TEXT_CHARACTERS_SHOWN = 32

/**
 * Throws SANDBOX_DIFFERS for a container that was just made, and ADOPTION_DIFFERS for one that an
 * agent before this one made: that one is no fault of this host.
 */
export function mustBeAsAsked(
  code: 'SANDBOX_DIFFERS' | 'ADOPTION_DIFFERS',
  job: string,
  asked: ContainerBody,
  stored: ContainerView
): void {
  const [first, ...more] = differences(asked, stored)
  if (first === undefined) return
  const others = more.length === 0 ? '' : `, and ${more.length} fields more`
  throw new MeshError(code, { job, difference: `${first}${others}` })
}

/**
 * What the engine stored otherwise than it was asked, as `HostConfig.PidsLimit is 0, asked 512`. An
 * engine takes fields that it does not know without a word: unseen, a limit would just be missing.
 */
export function differences(asked: ContainerBody, stored: ContainerView): readonly string[] {
  const { HostConfig, Labels, Image: _byEngine, Env, NetworkingConfig, ...config } = asked
  return [
    ...compareFields('Config', config, stored.config),
    ...compareFields('Config.Labels', Labels, stored.labels),
    ...compareFields('HostConfig', HostConfig, stored.hostConfig),
    ...lackingVariables(Env, stored.config['Env']),
    ...lackingNames(NetworkingConfig?.EndpointsConfig ?? {}, stored.networks),
    ...(HostConfig['ReadonlyRootfs'] === true ? unasked(HostConfig.Mounts, stored.mounts) : [])
  ]
}

/** Engines add names of their own to those that were asked. */
function lackingNames(
  asked: NonNullable<ContainerBody['NetworkingConfig']>['EndpointsConfig'],
  stored: ContainerView['networks']
): string[] {
  return Object.entries(asked).flatMap(([network, { Aliases }]) => {
    const aliases = stored[network]?.aliases ?? []
    if (Aliases.every((alias) => aliases.includes(alias))) return []
    return [`Networks.${network}.Aliases is ${show(aliases)}, asked ${show(Aliases)}`]
  })
}

/** What an image declares as a volume is nowhere among what was asked, and lies on the disk. */
function unasked(asked: readonly Mount[], stored: readonly string[]): string[] {
  const places = new Set(asked.map(({ Target }) => Target))
  return stored
    .filter((place) => !places.has(place))
    .map((place) => `Mounts has ${show(place)}, which was not asked`)
}

/** Where more than was asked is not a default of the engine's but another device. */
const EXACT: ReadonlySet<string> = new Set(['Devices', 'DeviceRequests'])

/** A request with a count beside its ids holds what was asked, and all GPUs there are. */
function hasMore(key: string, asked: unknown, stored: unknown): boolean {
  if (!EXACT.has(key) || !Array.isArray(asked) || !Array.isArray(stored)) return false
  return !stored.every((one) => asked.some((other) => holds(set(one), other)))
}

/** Without what says nothing, as numbers do that are 0. */
function set(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== 0))
}

/** An image's own variables stand beside ours, and never in place of them. */
function lackingVariables(asked: readonly string[], stored: unknown): readonly string[] {
  const has = Array.isArray(stored) ? stored : []
  return asked.flatMap((entry) => {
    const name = entry.slice(0, entry.indexOf('=') + 1)
    const found = has.filter((other) => String(other).startsWith(name))
    if (found.length === 1 && found[0] === entry) return []
    return [`Config.Env has ${show(found)}, asked ${show(entry)}`]
  })
}

function compareFields(
  path: string,
  asked: Readonly<Record<string, unknown>>,
  stored: Readonly<Record<string, unknown>>
): string[] {
  return Object.entries(asked)
    .filter(([key, value]) => !holds(value, stored[key]) || hasMore(key, value, stored[key]))
    .map(([key, value]) => `${path}.${key} is ${show(stored[key])}, asked ${show(value)}`)
}

/**
 * True when `stored` says what was asked; what it says beyond that are the engine's own defaults.
 */
function holds(asked: unknown, stored: unknown): boolean {
  if (isNothing(asked)) return isNothing(stored)
  if (Array.isArray(asked)) return holdsAll(asked, stored)
  if (typeof asked === 'object' && asked !== null) {
    if (typeof stored !== 'object' || stored === null) return false
    const fields = stored as Record<string, unknown>
    return Object.entries(asked).every(([key, value]) => holds(value, fields[key]))
  }
  return asked === stored || plain(asked) === plain(stored)
}

function holdsAll(asked: readonly unknown[], stored: unknown): boolean {
  return (
    Array.isArray(stored) &&
    stored.length === asked.length &&
    asked.every((value) => stored.some((other) => holds(value, other)))
  )
}

/** Engines store an empty list, an empty text, false and null for one another. */
function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

/** Engines from 28 on store capabilities with their prefix. */
function plain(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/^CAP_/, '') : value
}

function show(value: unknown): string {
  return JSON.stringify(value, (_key, part) => brief(part)) ?? 'absent'
}

/** A filter of system calls has thousands of characters; its hash tells one from another. */
function brief(part: unknown): unknown {
  if (typeof part !== 'string' || part.length <= TEXT_CHARACTERS_MAX) return part
  const hash = createHash('sha256').update(part).digest('hex').slice(0, 8)
  const start = part.slice(0, TEXT_CHARACTERS_SHOWN)
  return `${start}... (${part.length} characters, SHA-256 ${hash})`
}
