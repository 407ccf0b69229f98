import type { Advertisement, Capacity, Platform } from './advertisement.ts'
import { diskOf, lacks } from './capacity.ts'
import { footprintOf, pidsOf } from './footprint.ts'
import { type GpuWish, lacksGpu, unmetGpu } from './gpu-allocation.ts'
import type { GpuOffer, GpuRoom } from './gpu-terms.ts'
import { type HostPolicy, type JobOrigin, refusalsOf } from './host-policy.ts'
import { unmetImages } from './images-lacking.ts'
import {
  ENGINE_INSIDE,
  formatIsolation,
  type Isolation,
  isolationFor,
  wantsEngine
} from './isolation.ts'
import { abilitiesFor, type NetworkAbility, type NetworkPolicy } from './network.ts'
import { runsOn } from './platform.ts'
import { formatBytes, formatCpu } from './quantities.ts'
import type { JobSpec } from './run.ts'
import type { Trust } from './trust.ts'

/** One thing that a job needs and an agent lacks; all three are for people. */
export interface Unmet {
  /**
   * `platform`, `slot`, `cpu`, `memory`, `disk`, `pids`, `label KEY`, `isolation`, `enforced network`,
   * `builder`, `image`, `gpu` and `gpu model` and so on; for lacking room `free slot` and so on;
   * `policy` for what the agent's owner does not take.
   */
  readonly requirement: string
  readonly wanted: string
  readonly offered: string
}

/** The part of an advertisement that never changes with load. */
export type Offer = Pick<
  Advertisement,
  | 'platforms'
  | 'labels'
  | 'capacity'
  | 'largest'
  | 'isolation'
  | 'networks'
  | 'networkRules'
  | 'policy'
  | 'builder'
  | 'imagesLacking'
> &
  GpuOffer

/** A job with what its run says of it. */
export interface Wanted {
  readonly spec: JobSpec
  readonly trust: Trust
  readonly origin: JobOrigin
}

/** What the agent lacks to ever run the job; empty when it fits. */
export function fits(wanted: Wanted, offer: Offer): readonly Unmet[] {
  const { spec } = wanted
  return [
    ...unmetPlatform(spec, offer.platforms),
    ...unmetAmounts(spec, { ...offer.capacity, ...offer.largest }, offer.capacity, ''),
    ...unmetLabels(spec.labels, offer.labels),
    ...unmetIsolation(wanted, offer),
    ...unmetNetwork(spec.network, offer.networks),
    ...unmetShared(spec, offer.networkRules),
    ...unmetPolicy(wanted, offer.policy),
    ...unmetBuilder(wanted, offer.builder),
    ...unmetImages(spec, codeFor(spec, offer.platforms), offer.imagesLacking),
    ...unmetGpus(wanted, (wish) => unmetGpu(wish, offer))
  ]
}

/** What is missing to run the job now beside those held; empty when there is room. */
export function lacksRoom(wanted: RoomWanted, room: Room): readonly Unmet[] {
  return [
    ...unmetAmounts(wanted.spec, room.free, room.capacity, 'free '),
    ...unmetGpus(wanted, (wish) => lacksGpu(wish, room))
  ]
}

/** True where nothing is: a busy agent asks it of thousands of jobs, and needs no words for it. */
export function hasRoom(wanted: RoomWanted, room: Room): boolean {
  const { spec, trust } = wanted
  const { free, capacity } = room
  const { cpuMilli, memoryBytes } = footprintOf(spec)
  if (free.jobs < 1 || free.cpuMilli < cpuMilli || free.memoryBytes < memoryBytes) return false
  if (free.diskBytes < diskOf(spec.resources, capacity)) return false
  if (lacks(free.pids, pidsOf(spec))) return false
  return spec.gpu === undefined || lacksGpu({ request: spec.gpu, trust }, room) === undefined
}

/** A job with what its room depends on. */
export type RoomWanted = Pick<Wanted, 'spec' | 'trust'>

/** What an agent has left, of what it has. */
export type Room = Pick<Advertisement, 'free' | 'capacity'> & GpuRoom

/** Most jobs ask for none. */
function unmetGpus(
  { spec: { gpu: request }, trust }: RoomWanted,
  ask: (wish: GpuWish) => Unmet | undefined
): readonly Unmet[] {
  const unmet = request === undefined ? undefined : ask({ request, trust })
  return unmet === undefined ? [] : [unmet]
}

type PlatformWish = Pick<JobSpec, 'platform' | 'emulation'>

/** The platform that the agent would run the job on; undefined when it has none that fits. */
export function platformFor(
  { platform: wanted, emulation }: PlatformWish,
  platforms: readonly Platform[]
): Platform | undefined {
  // A job without a platform takes the claimer's own: an emulated one would be a slow surprise.
  if (wanted === undefined) return platforms.find((platform) => platform.native)
  const able = platforms.filter((platform) => runsOn(wanted, platform.name))
  const native = able.find((platform) => platform.native)
  return native ?? (emulation === 'allow' ? able[0] : undefined)
}

/** What the job's images must be for where these are the host's platforms. */
export function codeFor(
  { platform }: Pick<JobSpec, 'platform'>,
  platforms: readonly Platform[]
): string | undefined {
  return platform ?? platforms.find(({ native }) => native)?.name
}

function unmetPlatform(wish: PlatformWish, platforms: readonly Platform[]): Unmet[] {
  if (platformFor(wish, platforms) !== undefined) return []
  const offered = platforms.map(({ name, native }) => (native ? name : `${name} (emulated)`))
  const wanted =
    wish.emulation === 'forbid' && wish.platform !== undefined
      ? `${wish.platform} without emulation`
      : (wish.platform ?? 'any native')
  return [{ requirement: 'platform', wanted, offered: offered.join(', ') || 'none' }]
}

function unmetAmounts(
  spec: JobSpec,
  has: Capacity,
  capacity: Capacity,
  prefix: '' | 'free '
): Unmet[] {
  const { cpuMilli, memoryBytes } = footprintOf(spec)
  const diskBytes = diskOf(spec.resources, capacity)
  const unmet: Unmet[] = []
  if (has.jobs < 1) {
    unmet.push({ requirement: `${prefix}slot`, wanted: '1', offered: String(has.jobs) })
  }
  if (has.cpuMilli < cpuMilli) {
    const [wanted, offered] = [formatCpu(cpuMilli), formatCpu(has.cpuMilli)]
    unmet.push({ requirement: `${prefix}cpu`, wanted, offered })
  }
  if (has.memoryBytes < memoryBytes) {
    const [wanted, offered] = [formatBytes(memoryBytes), formatBytes(has.memoryBytes)]
    unmet.push({ requirement: `${prefix}memory`, wanted, offered })
  }
  if (has.diskBytes < diskBytes) {
    const [wanted, offered] = [formatBytes(diskBytes), formatBytes(has.diskBytes)]
    unmet.push({ requirement: `${prefix}disk`, wanted, offered })
  }
  if (lacks(has.pids, pidsOf(spec))) {
    const [wanted, offered] = [String(pidsOf(spec)), String(has.pids)]
    unmet.push({ requirement: `${prefix}pids`, wanted, offered })
  }
  return unmet
}

function unmetLabels(
  wanted: Readonly<Record<string, string>>,
  offered: Readonly<Record<string, string>>
): Unmet[] {
  return Object.entries(wanted)
    .filter(([key, value]) => labelOf(offered, key) !== value)
    .map(([key, value]) => ({
      requirement: `label ${key}`,
      wanted: value,
      offered: labelOf(offered, key) ?? 'none'
    }))
}

function unmetNetwork(policy: NetworkPolicy, offered: readonly NetworkAbility[]): Unmet[] {
  const lacking = abilitiesFor(policy).filter((ability) => !offered.includes(ability))
  if (lacking.length === 0) return []
  const wanted = lacking.join(', ')
  // A host that cannot prove its rules offers nothing: jobs wait for one that can.
  return [{ requirement: 'enforced network', wanted, offered: offered.join(', ') || 'none' }]
}

/** A holder's network is one container's: services would be on the bridge without rules. */
function unmetShared({ network, services = [] }: JobSpec, rules: Offer['networkRules']): Unmet[] {
  if (rules !== 'holder' || services.length === 0) return []
  if (abilitiesFor(network).length === 0) return []
  const wanted = 'one that a job shares with its services'
  return [{ requirement: 'enforced network', wanted, offered: 'one for the job alone (holder)' }]
}

/** The requirement that no host can be set up for: its owner says no. */
export const POLICY = 'policy'

function unmetPolicy(wanted: Wanted, policy: HostPolicy | undefined): Unmet[] {
  if (policy === undefined) return []
  return refusalsOf(wanted, policy).map((refused) => {
    return { requirement: POLICY, wanted: refused, offered: 'refused by its owner' }
  })
}

function unmetBuilder({ spec, trust }: Wanted, offered = false): Unmet[] {
  // A stranger's runs nowhere: whoever comes first ends it and says so, and none waits for it.
  if (spec.builder !== true || trust !== 'trusted' || offered) return []
  const wanted = 'images built in a user namespace'
  return [{ requirement: 'builder', wanted, offered: 'none' }]
}

function unmetIsolation(job: Wanted, { isolation, platforms, labels }: Offer): Unmet[] {
  const granted = isolationFor(job, isolation)
  if (granted.kind === 'granted') {
    return granted.by === 'engine' ? [] : unmetNative(job.spec, platforms, granted.level)
  }
  // Told by the label already.
  const { label } = ENGINE_INSIDE
  if (
    wantsEngine(job.spec) &&
    granted.barredBy === undefined &&
    labelOf(labels, label) === undefined
  )
    return []
  const what = wantsEngine(job.spec) ? 'an engine inside' : granted.least
  const bar = granted.barredBy === undefined ? '' : ` with a ${granted.barredBy}`
  // The owner's wish, not the job's: told so, whoever reads it knows where to turn.
  const asker = granted.asker === 'owner' ? " (asked of untrusted jobs by the agent's owner)" : ''
  const wanted = `${what}${bar}${asker}`
  return [{ requirement: 'isolation', wanted, offered: formatIsolation(isolation) }]
}

/** A kernel of its own knows no emulator, and the programs of no other platform. */
function unmetNative(
  spec: JobSpec,
  platforms: readonly Platform[],
  level: Isolation['offered']
): Unmet[] {
  const chosen = platformFor(spec, platforms)
  const own = platforms.find((platform) => platform.native)
  if (chosen === undefined || chosen === own) return []
  const wanted = `${chosen.name} in ${level}`
  return [{ requirement: 'platform', wanted, offered: `${own?.name ?? 'none'} in ${level}` }]
}

// A label named `constructor` must not find what every object inherits.
function labelOf(labels: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined
}
