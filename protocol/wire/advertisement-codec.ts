import type { Advertisement, Capacity, DiskLimit, Platform } from '../core/advertisement.ts'
import type { AgentState } from '../core/agent-state.ts'
import { GPUS_MAX } from '../core/gpu-limits.ts'
import { IMAGES_LACKING_MAX } from '../core/image-limits.ts'
import { ISOLATION_LEVELS, type Isolation, type IsolationLevel } from '../core/isolation.ts'
import {
  GOSSIP_BYTES_MAX,
  LABELS_MAX,
  NAME_CHARACTERS_MAX,
  PLATFORMS_MAX,
  RENEW_ITEMS_MAX
} from '../core/limits.ts'
import type { NetworkAbility, NetworkRules } from '../core/network.ts'
import { WARM_KEYS_MAX } from '../core/placement-limits.ts'
import { loose, messageCodec } from './codec.ts'
import {
  BOOT_BYTES,
  bytesOf,
  count,
  hexOf,
  jobId,
  line,
  lineOrNone,
  list,
  need,
  optional,
  peerId
} from './fields.ts'
import * as wire from './generated/gossip.ts'
import { GPU_LOOK_LIMITS, gpuLookFromWire, gpuLookToWire } from './gpu-look-parts.ts'
import { GPU_LIMITS, gpusFromWire, gpusToWire } from './gpu-parts.ts'
import {
  GPU_HELD_LIMITS,
  GPU_TERMS_LIMITS,
  gpusHeldFromWire,
  gpusHeldToWire,
  gpuTermsFromWire,
  gpuTermsToWire
} from './gpu-room-parts.ts'
import {
  closingFromWire,
  closingToWire,
  HOST_POLICY_LIMITS,
  policyFromWire,
  policyToWire
} from './host-policy-parts.ts'
import {
  IMAGES_LACKING_LIMITS,
  imagesLackingFromWire,
  imagesLackingToWire
} from './images-lacking-parts.ts'
import { names } from './names.ts'
import { fromPairs, toPairs } from './pairs.ts'
import { placementFromWire, placementToWire } from './placement-parts.ts'
import { checkLabel } from './spec-fields.ts'

/** Of all that there are, each once. */
const NETWORKS_MAX = 4
const LEVELS_MAX = ISOLATION_LEVELS.length

const states = names<AgentState, wire.AgentState>('state', {
  starting: wire.AgentState.AGENT_STATE_STARTING,
  idle: wire.AgentState.AGENT_STATE_IDLE,
  busy: wire.AgentState.AGENT_STATE_BUSY,
  paused: wire.AgentState.AGENT_STATE_PAUSED,
  draining: wire.AgentState.AGENT_STATE_DRAINING
})

const abilities = names<NetworkAbility, wire.NetworkAbility>('networks', {
  internet: wire.NetworkAbility.NETWORK_ABILITY_INTERNET,
  private: wire.NetworkAbility.NETWORK_ABILITY_PRIVATE,
  open: wire.NetworkAbility.NETWORK_ABILITY_OPEN,
  names: wire.NetworkAbility.NETWORK_ABILITY_NAMES
})

const rules = names<NetworkRules, wire.NetworkRules>('networkRules', {
  nft: wire.NetworkRules.NETWORK_RULES_NFT,
  iptables: wire.NetworkRules.NETWORK_RULES_IPTABLES,
  holder: wire.NetworkRules.NETWORK_RULES_HOLDER
})

const levels = names<IsolationLevel, wire.IsolationLevel>('isolation', {
  runc: wire.IsolationLevel.ISOLATION_LEVEL_RUNC,
  userns: wire.IsolationLevel.ISOLATION_LEVEL_USERNS,
  gvisor: wire.IsolationLevel.ISOLATION_LEVEL_GVISOR,
  vm: wire.IsolationLevel.ISOLATION_LEVEL_VM
})

const diskLimits = names<DiskLimit, wire.DiskLimit>('diskLimit', {
  none: wire.DiskLimit.DISK_LIMIT_NONE,
  soft: wire.DiskLimit.DISK_LIMIT_SOFT,
  hard: wire.DiskLimit.DISK_LIMIT_HARD
})

const advertisements = messageCodec<Advertisement, wire.Advertisement>({
  what: 'advertisement',
  generated: wire.Advertisement,
  limits: {
    platforms: PLATFORMS_MAX,
    labels: LABELS_MAX,
    jobs: RENEW_ITEMS_MAX,
    networks: NETWORKS_MAX,
    policy: HOST_POLICY_LIMITS,
    gpus: GPUS_MAX,
    gpus$: GPU_LIMITS,
    warm: WARM_KEYS_MAX,
    gpuTerms: GPU_TERMS_LIMITS,
    gpusHeld: GPUS_MAX,
    gpusHeld$: GPU_HELD_LIMITS,
    gpuLook: GPU_LOOK_LIMITS,
    imagesLacking: IMAGES_LACKING_MAX,
    imagesLacking$: IMAGES_LACKING_LIMITS,
    isolation: { levels: LEVELS_MAX }
  },
  bytesMax: GOSSIP_BYTES_MAX,
  toWire: (ad) =>
    loose<wire.Advertisement>({
      ...same(ad),
      boot: bytesOf(ad.boot, BOOT_BYTES, 'boot'),
      state: states.toWire(ad.state),
      networks: list(ad.networks, NETWORKS_MAX, 'networks', abilities.toWire),
      networkRules: optional(ad.networkRules, rules.toWire),
      labels: toPairs(ad.labels, LABELS_MAX, 'labels', checkLabel),
      isolation: isolationToWire(ad.isolation),
      diskLimit: diskLimits.toWire(ad.diskLimit),
      builder: ad.builder === true,
      gpus: gpusToWire(ad.gpus),
      ...placementToWire(ad),
      gpuTerms: gpuTermsToWire(ad.gpuTerms),
      gpusHeld: gpusHeldToWire(ad.gpusHeld),
      gpuLook: optional(ad.gpuLook, gpuLookToWire),
      imagesLacking: imagesLackingToWire(ad.imagesLacking),
      policy: optional(ad.policy, policyToWire),
      closing: optional(ad.closing, closingToWire),
      capacity: capacity(ad.capacity),
      free: capacity(ad.free)
    }),
  fromWire: (message) => ({
    ...same(message),
    boot: hexOf(message.boot, BOOT_BYTES, 'boot'),
    state: states.fromWire(message.state),
    networks: list(message.networks, NETWORKS_MAX, 'networks', abilities.fromWire),
    networkRules:
      message.networkRules === undefined ? undefined : rules.fromWire(message.networkRules),
    labels: fromPairs(message.labels, LABELS_MAX, 'labels', checkLabel),
    isolation: isolationFromWire(need(message.isolation, 'isolation')),
    diskLimit: diskLimits.fromWire(message.diskLimit),
    policy: optional(message.policy, policyFromWire),
    closing: optional(message.closing, closingFromWire),
    ...(message.builder ? { builder: true } : {}),
    ...gpusFromWire(message.gpus),
    ...placementFromWire(message),
    ...gpuTermsFromWire(message.gpuTerms),
    ...gpusHeldFromWire(message.gpusHeld),
    ...gpuLookFromWire(message.gpuLook),
    ...imagesLackingFromWire(message.imagesLacking),
    capacity: capacity(need(message.capacity, 'capacity')),
    free: capacity(need(message.free, 'free'))
  })
})

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. */
export function encodeAdvertisement(ad: Advertisement): Uint8Array {
  return advertisements.encode(ad)
}

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. Who published it is for the caller to compare. */
export function decodeAdvertisement(bytes: Uint8Array, from?: string): Advertisement {
  return advertisements.decode(bytes, from)
}

type Converted =
  | 'boot'
  | 'state'
  | 'networks'
  | 'networkRules'
  | 'labels'
  | 'isolation'
  | 'diskLimit'
  | 'policy'
  | 'closing'
  | 'builder'
  | 'gpus'
  | 'warm'
  | 'costPercent'
  | 'largest'
  | 'gpuTerms'
  | 'gpusHeld'
  | 'gpuLook'
  | 'imagesLacking'
  | 'capacity'
  | 'free'
  | 'platforms'
  | 'jobs'
type Same = Omit<Advertisement, Converted> & { platforms: wire.Platform[]; jobs: string[] }

/** The fields that both sides spell alike. */
function same(ad: Omit<Advertisement, Exclude<Converted, 'platforms' | 'jobs'>>): Same {
  return {
    peerId: peerId(ad.peerId, 'peerId'),
    name: line(ad.name, NAME_CHARACTERS_MAX, 'name'),
    sequence: count(ad.sequence, 'sequence'),
    version: line(ad.version, NAME_CHARACTERS_MAX, 'version'),
    platforms: list(ad.platforms, PLATFORMS_MAX, 'platforms', platform),
    diskFreeBytes: count(ad.diskFreeBytes, 'diskFreeBytes'),
    engine: lineOrNone(ad.engine, NAME_CHARACTERS_MAX, 'engine'),
    jobs: list(ad.jobs, RENEW_ITEMS_MAX, 'jobs', (id) => jobId(id)),
    sentAtMs: count(ad.sentAtMs, 'sentAtMs'),
    leaving: ad.leaving
  }
}

function platform(value: Platform): wire.Platform {
  return { name: line(value.name, NAME_CHARACTERS_MAX, 'platform'), native: value.native }
}

function isolationToWire(isolation: Isolation): wire.Isolation {
  const { offered, required } = isolation
  const shown = list(inOrder(isolation.levels ?? []), LEVELS_MAX, 'levels', levels.toWire)
  const own = { offered: levels.toWire(offered), levels: shown }
  return required === undefined ? own : { ...own, required: levels.toWire(required) }
}

function isolationFromWire({ offered, required, levels: shown }: wire.Isolation): Isolation {
  return {
    offered: levels.fromWire(offered),
    required: required === undefined ? undefined : levels.fromWire(required),
    // Absent is none: what an agent does not say that it has is not there.
    ...(shown.length === 0 ? {} : { levels: list(shown, LEVELS_MAX, 'levels', levels.fromWire) })
  }
}

/** Each once, weakest first: of two orders one would not be canonical. */
function inOrder(shown: readonly IsolationLevel[]): readonly IsolationLevel[] {
  return ISOLATION_LEVELS.filter((level) => shown.includes(level))
}

function capacity(value: Capacity): wire.Capacity {
  return {
    cpuMilli: count(value.cpuMilli, 'cpuMilli'),
    memoryBytes: count(value.memoryBytes, 'memoryBytes'),
    diskBytes: count(value.diskBytes, 'diskBytes'),
    jobs: count(value.jobs, 'jobs', RENEW_ITEMS_MAX)
  }
}
