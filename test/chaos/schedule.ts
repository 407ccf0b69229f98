import { SeededRandom } from '../support/seeded-random.ts'
import type { RelayMode } from './relay.ts'

/** What one fault does, to whom, and for how long; all of it drawn before the run begins. */
export type Fault =
  | { readonly kind: 'kill'; readonly host: string; readonly guardianToo: boolean }
  | { readonly kind: 'power'; readonly hosts: readonly string[] }
  | { readonly kind: 'pause'; readonly host: string }
  | { readonly kind: 'isolate'; readonly host: string }
  | { readonly kind: 'split'; readonly side: readonly string[] }
  | { readonly kind: 'deaf'; readonly host: string; readonly to: readonly string[] }
  | { readonly kind: 'mute'; readonly host: string; readonly to: readonly string[] }
  | { readonly kind: 'relay'; readonly host: string; readonly mode: RelayMode }
  | { readonly kind: 'slow-disk'; readonly host: string; readonly delayMs: number }
  | { readonly kind: 'failed-disk'; readonly host: string }
  | { readonly kind: 'full-disk'; readonly host: string }
  | { readonly kind: 'wall-clock'; readonly host: string; readonly offsetMs: number }
  | { readonly kind: 'engine-kill'; readonly engine: string }
  | { readonly kind: 'engine-pause'; readonly engine: string }
  | { readonly kind: 'store-deleted'; readonly host: string }
  | { readonly kind: 'store-restored'; readonly host: string }

export type Planned = Fault & { readonly atMs: number; readonly forMs: number }

export interface Grounds {
  readonly agents: readonly string[]
  readonly gateways: readonly string[]
  readonly engines: readonly string[]
  /** Who has a disk that can be filled. */
  readonly smallDisks: readonly string[]
  /** Whose store may be lost: so few that every epoch ever keeps a majority. */
  readonly losable: readonly string[]
}

/** Milliseconds between two faults: they overlap, and quiet times come too. */
const GAP_MS = { least: 800, end: 7_200 } as const
/** Each loss of a store begins a witness epoch, and each new run asks all of them. */
const STORE_GAP_MS = 90_000
/** A run that ends before its witness is back would say nothing of it. */
const STORE_END_MS = 40_000
/** The first faults of a run leave it time to know its hosts. */
const FIRST_MS = 1_000
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

type Kind = Fault['kind']

/** How often each kind is drawn, in parts of all. */
const WEIGHTS: Readonly<Record<Kind, number>> = {
  kill: 16,
  power: 2,
  pause: 10,
  isolate: 8,
  split: 7,
  deaf: 5,
  mute: 5,
  relay: 14,
  'slow-disk': 8,
  'failed-disk': 5,
  'full-disk': 3,
  'wall-clock': 7,
  'engine-kill': 3,
  'engine-pause': 3,
  'store-deleted': 2,
  'store-restored': 2
}

/** Milliseconds that each kind lasts. */
const LASTS: Readonly<Record<Kind, readonly [least: number, end: number]>> = {
  kill: [0, 6_000],
  power: [0, 1_500],
  pause: [300, 9_000],
  isolate: [500, 9_000],
  split: [500, 9_000],
  deaf: [500, 9_000],
  mute: [500, 9_000],
  relay: [2_000, 12_000],
  'slow-disk': [2_000, 12_000],
  'failed-disk': [500, 4_000],
  'full-disk': [2_000, 8_000],
  'wall-clock': [3_000, 30_000],
  'engine-kill': [0, 4_000],
  'engine-pause': [500, 6_000],
  'store-deleted': [500, 4_000],
  'store-restored': [500, 4_000]
}

/** The same seed, the same faults at the same times. */
export function drawSchedule(seed: number, minutes: number, grounds: Grounds): readonly Planned[] {
  const random = new SeededRandom(seed)
  const planned: Planned[] = []
  let storeLostMs = Number.NEGATIVE_INFINITY
  const endMs = minutes * MINUTE_MS
  // Each kind once, as far as the run is long enough: a short one is to show all of them.
  const unseen = shuffled(random, Object.keys(WEIGHTS) as Kind[])
  for (let atMs = FIRST_MS; atMs < endMs; atMs += random.between(GAP_MS.least, GAP_MS.end)) {
    const mayLose = atMs - storeLostMs >= STORE_GAP_MS && endMs - atMs >= STORE_END_MS
    const fits = (kind: Kind): boolean => mayLose || !isLoss(kind)
    const kind = unseen.find(fits) ?? draw(random)
    if (!fits(kind)) continue
    if (unseen.includes(kind)) unseen.splice(unseen.indexOf(kind), 1)
    if (isLoss(kind)) storeLostMs = atMs
    const [least, end] = LASTS[kind]
    planned.push({ ...faultOf(kind, random, grounds), atMs, forMs: random.between(least, end) })
  }
  return planned
}

function isLoss(kind: Kind): boolean {
  return kind === 'store-deleted' || kind === 'store-restored'
}

function draw(random: SeededRandom): Kind {
  const kinds = Object.entries(WEIGHTS) as [Kind, number][]
  let left = random.next() * kinds.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [kind, weight] of kinds) {
    left -= weight
    if (left < 0) return kind
  }
  return 'kill'
}

function faultOf(kind: Kind, random: SeededRandom, grounds: Grounds): Fault {
  const { agents, gateways, engines } = grounds
  const host = pick(random, [...agents, ...agents, ...gateways])
  const engine = pick(random, engines)
  const others = shuffled(
    random,
    [...agents, ...gateways].filter((name) => name !== host)
  )
  const [share, size] = [random.next(), random.next()]
  switch (kind) {
    case 'kill':
      return { kind, host, guardianToo: share < 0.25 }
    case 'power':
      return { kind, hosts: shuffled(random, agents).slice(0, 3 + Math.floor(size * 3)) }
    case 'pause':
    case 'isolate':
    case 'failed-disk':
      return { kind, host }
    case 'split':
      return { kind, side: others.slice(0, 1 + Math.floor(size * (others.length - 1))) }
    case 'deaf':
    case 'mute':
      return { kind, host, to: others.slice(0, 1 + Math.floor(size * others.length)) }
    case 'relay':
      return { kind, host, mode: relayMode(share, size) }
    case 'slow-disk':
      return { kind, host, delayMs: Math.round(20 + size ** 3 * 1_980) }
    case 'wall-clock':
      return { kind, host, offsetMs: Math.round((share * 2 - 1) ** 3 * 3 * DAY_MS) }
    case 'full-disk':
      return { kind, host: pick(random, grounds.smallDisks) }
    case 'engine-kill':
    case 'engine-pause':
      return { kind, engine }
    case 'store-deleted':
    case 'store-restored':
      return { kind, host: pick(random, grounds.losable) }
  }
}

/** Late, lossy, cut or half-open. */
function relayMode(share: number, size: number): RelayMode {
  if (share < 0.35) return { delayMs: Math.round(size * 250), jitterMs: Math.round(size * 100) }
  if (share < 0.65) return { stallRate: 0.02 + size * 0.1, stallMs: 200 + Math.round(size * 1_500) }
  if (share < 0.85) return { cutRate: 0.005 + size * 0.05 }
  return { swallow: true }
}

function pick<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.between(0, list.length)] as T
}

function shuffled<T>(random: SeededRandom, list: readonly T[]): T[] {
  const left = [...list]
  return list.map(() => left.splice(random.between(0, left.length), 1)[0] as T)
}
