import { z } from 'zod'
import { type Advertisement, type Capacity, DISK_LIMITS } from '../core/advertisement.ts'
import type { Closing } from '../core/closing.ts'
import { GPU_HEALTHS, GPU_VENDORS, type Gpu } from '../core/gpu.ts'
import { GPU_WHOLE } from '../core/gpu-request-limits.ts'
import type { HostPolicy } from '../core/host-policy.ts'
import { ISOLATION_LEVELS, type Isolation } from '../core/isolation.ts'
import { NETWORK_ABILITIES, NETWORK_RULES } from '../core/network.ts'
import type { AgentView } from '../core/observation.ts'

export const agentStateSchema = z.enum([
  'starting',
  'idle',
  'busy',
  'paused',
  'draining',
  'suspect',
  'offline'
])

export const capacitySchema = z.strictObject({
  cpu: z.number().describe('cores'),
  memoryBytes: z.number().int(),
  diskBytes: z.number().int().describe('of the engine, for what jobs write; 0 where not said'),
  jobs: z.number().int()
})

const levelSchema = z.enum(ISOLATION_LEVELS)

/** Null where no driver says it. */
const figure = z.number().int().nullable()

const patternsSchema = z.array(z.string())

const policySchema = z
  .strictObject({
    repositories: patternsSchema,
    refs: patternsSchema,
    events: patternsSchema,
    authors: patternsSchema,
    images: patternsSchema,
    registries: patternsSchema,
    pinned: z.boolean(),
    trustedOnly: z.boolean()
  })
  .nullable()
  .describe("what the agent's owner takes; an empty list takes all, as null does")

const gpuSchema = z.strictObject({
  id: z.string().describe('the same for as long as the device is'),
  vendor: z.enum(GPU_VENDORS),
  model: z.string(),
  pci: z.string().describe("of a part its GPU's; empty where not known"),
  memoryBytes: z.number().int().nullable().describe("null where not known, or the host's own"),
  sharedMemory: z.boolean().describe("it has no memory but the host's"),
  driver: z.string(),
  architecture: z.string().describe('sm_90 for compute capability 9.0, or gfx90a'),
  numaNode: z.number().int().nullable(),
  parent: z.string().nullable().describe('id of the GPU that it is a part of'),
  health: z.enum(GPU_HEALTHS).describe("lost: it was there since the agent's start"),
  reasons: z.array(z.string()).describe('why no job gets it'),
  shares: z.number().int().describe('how many jobs may have it at once'),
  held: z.number().describe('what jobs hold of it, from 0 to 1'),
  jobs: z.array(z.string()).describe('whose it is'),
  use: z
    .strictObject({
      busyPercent: figure,
      memoryBytes: figure,
      powerWatts: figure,
      temperature: figure.describe('Celsius'),
      ageMs: z.number().int().describe('since its agent looked')
    })
    .nullable()
    .describe('as its agent said last: every 30 s or so, and on a change; null where not known')
})

/** What one member knows of an agent: its state as seen from here, and what it advertises. */
export const agentSightingShape = {
  state: agentStateSchema,
  jobsRunning: z.number().int().nullable(),
  platforms: z.array(z.strictObject({ name: z.string(), native: z.boolean() })),
  labels: z.record(z.string(), z.string()),
  isolation: z
    .strictObject({
      offered: levelSchema.describe('what each job gets'),
      levels: z.array(levelSchema).describe('what jobs without a network may have beside that'),
      required: levelSchema.nullable().describe('asked for untrusted jobs')
    })
    .nullable()
    .describe('of jobs from the host'),
  networks: z
    .strictObject({
      offered: z.array(z.enum(NETWORK_ABILITIES)),
      rules: z.enum(NETWORK_RULES).nullable()
    })
    .nullable()
    .describe('that jobs may have there; `rules` is what keeps them to it'),
  policy: policySchema,
  closing: z
    .strictObject({ by: z.enum(['hours', 'load']), text: z.string() })
    .nullable()
    .describe('why no new job begins there for now, though the agent is up'),
  capacity: capacitySchema.nullable(),
  free: capacitySchema.nullable(),
  diskFreeBytes: z.number().int().nullable(),
  diskLimit: z
    .enum(DISK_LIMITS)
    .nullable()
    .describe('what keeps a job to its disk: a full file system, somebody who looks, or nobody'),
  gpus: z.array(gpuSchema),
  engine: z.string().nullable(),
  roundTripMs: z.number().nullable(),
  lastSeenMs: z.number().int().nullable().describe('milliseconds since the last sign of life'),
  version: z.string().nullable(),
  jobs: z.array(z.string())
}

export type AgentSighting = z.infer<z.ZodObject<typeof agentSightingShape>>

/** `view` is undefined for an agent never heard, `link` for one without a connection. */
export function agentSighting(
  view: AgentView | undefined,
  link: { readonly rttMs: number | undefined } | undefined,
  bootMs: number
): AgentSighting {
  const ad = view?.advertisement
  return {
    // A link without an advertisement: it has just connected, its first word is on the way.
    state: view?.observed ?? (link === undefined ? 'offline' : 'starting'),
    jobsRunning: ad?.jobs.length ?? null,
    platforms: ad?.platforms.map(({ name, native }) => ({ name, native })) ?? [],
    labels: { ...ad?.labels },
    isolation: ad === undefined ? null : isolationDocument(ad.isolation),
    networks:
      ad === undefined ? null : { offered: [...ad.networks], rules: ad.networkRules ?? null },
    policy: policyDocument(ad?.policy),
    closing: closingDocument(ad?.closing),
    ...roomDocument(ad),
    gpus: (ad?.gpus ?? []).map((gpu) => ({
      ...gpuDocument(gpu),
      ...gpuUse(gpu.id, ad),
      use: view === undefined ? null : gpuFigures(gpu.id, view, bootMs)
    })),
    engine: ad?.engine ?? null,
    roundTripMs: link?.rttMs ?? null,
    lastSeenMs: view === undefined ? null : bootMs - view.heardAtMs,
    version: ad?.version ?? null,
    jobs: [...(ad?.jobs ?? [])]
  }
}

function roomDocument(ad: Advertisement | undefined) {
  if (ad === undefined) return { capacity: null, free: null, diskFreeBytes: null, diskLimit: null }
  const { capacity, free, diskFreeBytes, diskLimit } = ad
  const sizes = { capacity: capacityDocument(capacity), free: capacityDocument(free) }
  return { ...sizes, diskFreeBytes, diskLimit }
}

function gpuDocument({ memoryBytes, numaNode, parent, reasons, ...gpu }: Gpu) {
  return {
    ...gpu,
    memoryBytes: memoryBytes ?? null,
    numaNode: numaNode ?? null,
    parent: parent ?? null,
    reasons: [...reasons]
  }
}

function gpuUse(id: string, ad: Advertisement | undefined) {
  const use = ad?.gpusHeld?.find((each) => each.id === id)
  const shares = ad?.gpuTerms?.shares.find((each) => each.id === id)?.slots ?? 1
  return { shares, held: (use?.units ?? 0) / GPU_WHOLE, jobs: [...(use?.jobs ?? [])] }
}

function gpuFigures(id: string, { advertisement, heardAtMs }: AgentView, bootMs: number) {
  const { gpuLook } = advertisement
  const seen = gpuLook?.gpus.find((each) => each.id === id)
  if (gpuLook === undefined || seen === undefined) return null
  return {
    busyPercent: seen.busyPercent ?? null,
    memoryBytes: seen.memoryBytes ?? null,
    powerWatts: seen.powerWatts ?? null,
    temperature: seen.temperature ?? null,
    ageMs: Math.round(gpuLook.ageMs + bootMs - heardAtMs)
  }
}

function isolationDocument({ offered, levels = [], required }: Isolation) {
  return { offered, levels: [...levels], required: required ?? null }
}

function policyDocument(policy: HostPolicy | undefined): AgentSighting['policy'] {
  if (policy === undefined) return null
  const { repositories, refs, events, authors, images, registries, ...flags } = policy
  return {
    repositories: [...repositories],
    refs: [...refs],
    events: [...events],
    authors: [...authors],
    images: [...images],
    registries: [...registries],
    ...flags
  }
}

function closingDocument(closing: Closing | undefined): AgentSighting['closing'] {
  return closing === undefined ? null : { by: closing.by, text: closing.text }
}

function capacityDocument({ cpuMilli, memoryBytes, diskBytes, jobs }: Capacity) {
  return { cpu: cpuMilli / 1_000, memoryBytes, diskBytes, jobs }
}
