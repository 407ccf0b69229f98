import type { MeshError } from '../protocol/core/errors.ts'
import { containsEngines, ENGINE_INSIDE, type Isolation } from '../protocol/core/isolation.ts'
import type { Clock } from '../protocol/core/ports.ts'
import type { Offer } from '../protocol/core/requirements.ts'
import { SYNC_SLOW_MS } from '../protocol/core/sync-limits.ts'
import type { DiskWatch } from '../protocol/host/disk-watch.ts'
import type { Log } from '../protocol/host/log.ts'
import type { StatePaths } from '../protocol/host/paths.ts'
import type { InviteBook } from '../protocol/mesh/joining/invite-book.ts'
import type { RosterBook } from '../protocol/mesh/members/roster-book.ts'
import type { MeshStore } from '../protocol/store/mesh-store.ts'
import type { MeshKey } from '../protocol/wire/keys.ts'
import type { ClaimerParts } from './claim/claimer.ts'
import type { Registers } from './claim/ports.ts'
import type { AgentSettings } from './config.ts'
import type { Disks } from './execute/disk/disks.ts'
import type { Engine } from './execute/engine.ts'
import type { JobGpus } from './execute/gpu/job-gpus.ts'
import type { ImageLooks } from './execute/image-looks.ts'
import type { Images } from './execute/images.ts'
import type { JobNetworks } from './execute/network/job-networks.ts'
import { Lifeline } from './lifeline/lifeline.ts'
import { gpuTermsOf } from './policy/gpu-settings.ts'
import type { HostDoor } from './policy/host-door.ts'
import { hostPolicyOf } from './policy/policy-settings.ts'
import { EngineWatch } from './probe/engine-watch.ts'
import type { GpuWatch } from './probe/gpu/gpu-watch.ts'
import type { GpuSampler } from './probe/gpu/use/gpu-sampler.ts'
import type { HostProfile } from './probe/host-profile.ts'
import { networkProblems } from './probe/probe.ts'

export interface AgentParts {
  readonly paths: StatePaths
  readonly settings: AgentSettings
  readonly log: Log
  readonly key: MeshKey
  readonly store: MeshStore
  readonly engine: Engine
  readonly images: Images
  /** What images are there for, asked before claims. */
  readonly looks: ImageLooks
  readonly disks: Disks
  readonly host: HostProfile
  /** Absent where this host enforces no networks. */
  readonly networks?: JobNetworks | undefined
  /** Closed outside its owner's hours, and while the host is busy. */
  readonly door: HostDoor
  readonly gpus: GpuWatch
  /** What jobs have of them. */
  readonly jobGpus: JobGpus
  /** How they are used. */
  readonly sampler: GpuSampler
  readonly book: RosterBook
  readonly invites: InviteBook
  readonly clock: Clock
  readonly disk: DiskWatch
  /** Called once when nothing may be promised any more: the process must end. */
  readonly onFailure: (error: MeshError) => void
}

/** A health line with its way out. */
interface HostLine {
  readonly code: string
  readonly message: string
  readonly fix: string
}

export type HostProblemsParts = Pick<AgentParts, 'host' | 'key'> & {
  readonly disk: Pick<DiskWatch, 'problem'>
  readonly book: Pick<RosterBook, 'current'>
  readonly store: Pick<MeshStore, 'syncs'>
  readonly networks?: Pick<JobNetworks, 'lost' | 'unnamed'> | undefined
  readonly gpus: Pick<GpuWatch, 'problems'>
}

/** What is wrong with the host itself, as health lines. */
export function hostProblems(parts: HostProblemsParts): readonly HostLine[] {
  const { disk, host, networks, gpus } = parts
  const problems = [...host.problems, ...networkProblems(networks), ...gpus.problems()]
  const lines = problems.map(({ part, found, fix }) => {
    return { code: `HOST_${part.toUpperCase()}`, message: `${part}: ${found}`, fix }
  })
  const { problem } = disk
  const fix = 'make room on the disk of the state folder'
  const low = problem === undefined ? [] : [{ code: problem.code, message: problem.message, fix }]
  return [...low, ...slowLines(parts), ...lines]
}

/** What jobs are run with, beside what everything here is. */
export function executorPartsOf({ images, networks, disks, jobGpus: gpus }: AgentParts) {
  return { images, networks, disks, gpus }
}

/** What its claims go by. */
export type OfferParts = Pick<AgentParts, 'host' | 'settings' | 'networks' | 'gpus' | 'looks'>

export function offerOf({ host, settings, networks, gpus, looks }: OfferParts): Offer {
  return {
    platforms: host.platforms,
    get labels() {
      return labelsOf(settings.labels, host.isolation)
    },
    // Asked each time: there are none while the host's rules are lost.
    get networks() {
      return networks?.offer ?? []
    },
    get networkRules() {
      return networks?.rules
    },
    get isolation() {
      return host.isolation.now
    },
    policy: hostPolicyOf(settings.policy),
    get gpus() {
      return gpus.gpus
    },
    get gpuTerms() {
      return gpuTermsOf(settings.gpus, gpus.trustedOnly)
    },
    // Known once it was tried.
    get builder() {
      return host.offersBuilder()
    },
    get imagesLacking() {
      return looks.lacking
    },
    capacity: host.capacity,
    largest: host.largest
  }
}

/** What its claims go by, beside the mesh. */
export function claimPartsOf(parts: AgentParts): ClaimParts {
  const { gpus, looks, host, door, images } = parts
  return {
    offer: offerOf(parts),
    gpus: () => gpus.devices,
    learnImages: (spec, signal) => looks.learn(spec, host.platforms, signal),
    isOpen: () => door.closing === undefined,
    warmImages: images.names
  }
}

type ClaimParts = Pick<ClaimerParts, 'offer' | 'gpus' | 'learnImages' | 'isOpen' | 'warmImages'>

/** `onChange` is told that this host offers something else than it did. */
export function engineWatchOf(
  { engine, host, clock, log }: AgentParts,
  registers: Pick<Registers, 'profile'>,
  onChange: () => void
): EngineWatch {
  const { isolation } = host
  const tryRuntimes = (signal: AbortSignal) =>
    host.tryRuntimes(registers.profile().killBudgetMs, signal)
  return new EngineWatch({ engine, isolation, tryRuntimes, onChange, clock, log })
}

/** The owner's, and what only a trial can give. */
function labelsOf(
  own: Readonly<Record<string, string>>,
  isolation: Isolation
): Readonly<Record<string, string>> {
  const { label, value } = ENGINE_INSIDE
  return containsEngines(isolation) ? { ...own, [label]: value } : own
}

/** A witness that answers late costs each job whose quorum needs it (lease-protocol 5, F23). */
function slowLines({ store, book, key }: HostProblemsParts): readonly HostLine[] {
  const members = book.current()?.roster.members ?? []
  const self = members.find(({ peerId }) => peerId === key.peerId)
  if (self?.roles.includes('witness') !== true) return []
  const { p99Ms, syncs, isSlow } = store.syncs()
  if (!isSlow) return []
  const message =
    `the disk of this witness is slow: of its last ${syncs} syncs one in 100 took ${p99Ms} ms or ` +
    `more, over ${SYNC_SLOW_MS} ms: leases may be lost with it`
  const fix =
    'move the state folder to a faster disk, or let another host witness: ' +
    `\`agent invite --witness\` for that one, then \`agent unseat ${self.name}\``
  return [{ code: 'WITNESS_SLOW', message, fix }]
}

export function lifelineOf({
  paths,
  settings,
  log,
  key,
  store,
  engine,
  clock
}: AgentParts): Lifeline {
  const { peerId } = key
  return new Lifeline(
    { clock, log },
    {
      state: paths.state,
      mode: settings.lifeline,
      charge: { peerId, storeId: store.storeId, leases: paths.leases, engine: engine.socket }
    }
  )
}
