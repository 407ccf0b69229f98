import { hostname } from 'node:os'
import { z } from 'zod'
import {
  type AddressRange,
  blockRange,
  holdsRange,
  parseAddress,
  rangeOf
} from '../protocol/core/address-range.ts'
import {
  IMAGES_CLEAN_ABOVE_PERCENT,
  IMAGES_CLEAN_TO_PERCENT
} from '../protocol/core/image-limits.ts'
import { ENGINE_INSIDE } from '../protocol/core/isolation.ts'
import { NAME_CHARACTERS_MAX } from '../protocol/core/limits.ts'
import { MEMBER_ADDRESS, MEMBER_NAME } from '../protocol/core/member-fields.ts'
import {
  JOB_SUBNET_BITS,
  NAME_SERVERS_MAX,
  NETWORK_DENY_MAX
} from '../protocol/core/network-limits.ts'
import {
  HOST_COST_PERCENT_MAX,
  HOST_COST_PERCENT_MIN,
  HOST_JOBS_MAX,
  OVERCOMMIT_MAX
} from '../protocol/core/placement-limits.ts'
import { isNeverReachable } from '../protocol/core/special-ranges.ts'
import { type Loaded, loadSettings } from '../protocol/host/settings.ts'
import { metricsSettingsSchema } from './metrics/metrics-settings.ts'
import { gpuSettingsSchema } from './policy/gpu-settings.ts'
import { policySchema } from './policy/policy-settings.ts'
import { sizeSchema } from './size-setting.ts'

/** Networks that nobody routes: an owner may give them to jobs. */
const PRIVATE = ['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.168.0.0/16']

const DEFAULT_LISTEN = '/ip4/0.0.0.0/tcp/4471'

/** A name that stands in logs, tables and container labels as it is. */
export const nameSchema = z
  .string()
  .max(NAME_CHARACTERS_MAX, `use at most ${NAME_CHARACTERS_MAX} characters`)
  .regex(MEMBER_NAME, 'use letters, digits, dot, dash and underscore')

export const addressSchema = z.string().regex(MEMBER_ADDRESS, 'use /ip4/ADDRESS/tcp/PORT')

const percent = z.number().int().min(1).max(99)
const nameServer = z.string().refine(isReachable, 'use an IPv4 address that a job may reach')

const deniedBlock = z
  .string()
  .refine((text) => blockOf(text) !== undefined, 'use a block of IPv4 addresses: 203.0.113.0/24')
  .transform((text) => (text.includes('/') ? text : `${text}/32`))

const subnets = z.string().refine(isPool, 'use a block of private addresses: 10.213.0.0/16')

/** What the owner lets jobs have of this host's network; nothing unless the owner says so. */
const networkSchema = z
  .strictObject({
    rules: z.enum(['off', 'auto', 'nft', 'iptables', 'holder']).default('off'),
    offer: z
      .array(z.enum(['internet', 'private', 'open']))
      .max(3)
      .default(['internet']),
    subnets: subnets.default('10.213.0.0/16'),
    dns: z.array(nameServer).min(1).max(NAME_SERVERS_MAX).default(['1.1.1.1', '9.9.9.9']),
    /** What no job reaches here, whatever its policy, beside what none ever does. */
    deny: z.array(deniedBlock).max(NETWORK_DENY_MAX).default([])
  })
  .prefault({})

export const agentSettingsSchema = z.strictObject({
  name: nameSchema.default(hostname().split('.')[0] || 'agent'),
  listen: z.array(addressSchema).min(1).default([DEFAULT_LISTEN]),
  announce: z.array(addressSchema).default([]),
  /** Path of the engine's socket; absent means DOCKER_HOST, then the usual path. */
  engine: z.string().optional(),
  busybox: z.string().startsWith('/').default('/bin/busybox'),
  capacity: z
    .strictObject({
      cpu: z.number().positive().max(4_096).optional(),
      memory: sizeSchema.optional(),
      disk: sizeSchema.optional(),
      jobs: z.number().int().positive().max(HOST_JOBS_MAX).optional(),
      /** Memory that stays for the host, whatever else is said here. */
      reserve: sizeSchema.optional(),
      /** How many times what there is may be given away, to jobs that do not use it all at once. */
      overcommit: z
        .strictObject({
          cpu: z.number().min(1).max(OVERCOMMIT_MAX).default(1),
          memory: z.number().min(1).max(OVERCOMMIT_MAX).default(1)
        })
        .optional()
    })
    .default({}),
  labels: z
    .record(nameSchema, z.string().max(NAME_CHARACTERS_MAX))
    .refine((labels) => !Object.hasOwn(labels, ENGINE_INSIDE.label), {
      path: [ENGINE_INSIDE.label],
      message: 'cannot be set: an agent has it while a trial shows a runtime for such jobs'
    })
    .default({}),
  /** What a job costs its owner here, as a multiple of a plain host: power, or rent. */
  cost: z
    .number()
    .min(HOST_COST_PERCENT_MIN / 100)
    .max(HOST_COST_PERCENT_MAX / 100)
    .default(1),
  network: networkSchema,
  isolation: z
    .strictObject({
      /** The least that untrusted jobs must be kept apart by; without it they are not taken. */
      require: z.enum(['userns', 'gvisor', 'vm']).optional()
    })
    .default({}),
  /** Whether trusted jobs may build images here, which opens more of this host's kernel to them. */
  builder: z.enum(['off', 'offer']).default('off'),
  images: z
    .strictObject({
      /** When an image is asked for at its registry. */
      pull: z.enum(['missing', 'always', 'never']).default('missing'),
      /** Per cent of the engine's disk in use: above it pulled images go, down to the other. */
      cleanAbove: percent.default(IMAGES_CLEAN_ABOVE_PERCENT),
      cleanTo: percent.default(IMAGES_CLEAN_TO_PERCENT),
      /** File of the logins that every job's images may be pulled with. */
      logins: z.string().startsWith('/').optional()
    })
    .refine(({ cleanAbove, cleanTo }) => cleanTo < cleanAbove, {
      path: ['cleanTo'],
      message: 'use less than cleanAbove'
    })
    .prefault({}),
  disk: z
    .strictObject({
      /** `soft`: no file systems of their own for jobs, even where they could have them. */
      limit: z.enum(['auto', 'soft']).default('auto'),
      /** Where those file systems lie; in the state folder when absent. */
      folder: z.string().startsWith('/').optional()
    })
    .prefault({}),
  /** Whether operators of the mesh may pause, drain and resume this agent. */
  orders: z.enum(['take', 'refuse']).default('take'),
  /** What the owner of this host lets run here, and when. */
  policy: policySchema,
  gpus: gpuSettingsSchema,
  metrics: metricsSettingsSchema,
  gossip: z.boolean().default(true),
  /** Who starts the guardian: this agent, or a unit of its own. */
  lifeline: z.enum(['own', 'external']).default('own'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info')
})

export type AgentSettings = z.output<typeof agentSettingsSchema>

const VARIABLES = {
  name: 'MESH_NAME',
  listen: 'MESH_LISTEN',
  announce: 'MESH_ANNOUNCE',
  engine: 'MESH_ENGINE',
  busybox: 'MESH_BUSYBOX',
  gossip: 'MESH_GOSSIP',
  lifeline: 'MESH_LIFELINE',
  logLevel: 'MESH_LOG_LEVEL'
}

/** Settings of `agent start`, each with its origin. Throws CONFIG_INVALID. */
export async function loadAgentSettings(parts: {
  readonly file: string
  readonly fileRequired: boolean
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
}): Promise<Loaded<AgentSettings>> {
  const loaded = await loadSettings(agentSettingsSchema, { ...parts, variables: VARIABLES })
  const engine = loaded.values.engine ?? parts.env['DOCKER_HOST']
  return { ...loaded, values: { ...loaded.values, engine } }
}

function isReachable(text: string): boolean {
  const address = parseAddress(text)
  return address !== undefined && !isNeverReachable({ first: address, last: address })
}

/** `10.0.0.0/8`, or an address alone; undefined for anything else. */
function blockOf(text: string): AddressRange | undefined {
  const [address = '', prefix = '32', ...more] = text.split('/')
  const number = parseAddress(address)
  if (number === undefined || !/^\d{1,2}$/.test(prefix) || more.length > 0) return undefined
  return Number(prefix) > 32 ? undefined : blockRange(number, Number(prefix))
}

function isPool(text: string): boolean {
  const range = blockOf(text)
  if (range === undefined || Number(text.split('/')[1] ?? '32') > JOB_SUBNET_BITS) return false
  return PRIVATE.some((block) => holdsRange(rangeOf(block), range))
}
