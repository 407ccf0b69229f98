import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { MeshError } from '../protocol/core/errors.ts'
import { CREDENTIAL_NAME_CHARACTERS_MAX } from '../protocol/core/forge-limits.ts'
import {
  BRANCH_GLOBS_MAX,
  NAME_CHARACTERS_MAX,
  REFERENCE_CHARACTERS_MAX,
  REPOSITORIES_MAX
} from '../protocol/core/limits.ts'
import { MEMBER_ADDRESS, MEMBER_NAME } from '../protocol/core/member-fields.ts'
import { type Loaded, loadSettings } from '../protocol/host/settings.ts'
import { checkUrl } from '../protocol/host/source.ts'
import { globProblem } from '../protocol/pipeline/glob.ts'
import { FORGES } from './hooks/forge-hook.ts'
import { APPROVALS } from './ports.ts'
import { provisionSchema, refuseUnprovisioned } from './provision/provision-settings.ts'
import { refuseDuplicates, refuseUseless } from './repository-rules.ts'

const DEFAULT_LISTEN = '/ip4/0.0.0.0/tcp/4472'
const DEFAULT_HTTP_PORT = 8471

const addressSchema = z.string().regex(MEMBER_ADDRESS, 'use /ip4/ADDRESS/tcp/PORT')

const nameSchema = z
  .string()
  .max(NAME_CHARACTERS_MAX)
  .regex(MEMBER_NAME, 'use letters, digits, dot, dash and underscore')

const repositoryName = z
  .string()
  .max(NAME_CHARACTERS_MAX)
  .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'use letters, digits, dot, dash and slashes, as in team/kernel')

/** As in `on.push.branches` of a pipeline file. */
const branchSchema = z.string().superRefine((pattern, context) => {
  const problem = globProblem(pattern)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: `it ${problem}` })
})

const branchesSchema = z.array(branchSchema).min(1).max(BRANCH_GLOBS_MAX)

const port = z.number().int().min(0).max(65_535)

const httpSchema = z.preprocess(
  (value, context) => (typeof value === 'string' ? hostPortOf(value, context) : value),
  z.strictObject({
    host: z.string().min(1).default('127.0.0.1'),
    port: port.default(DEFAULT_HTTP_PORT)
  })
)

/** What is left out of it is not trusted. */
const trustedSchema = z
  .strictObject({ branches: branchesSchema.optional(), tags: branchesSchema.optional() })
  .refine(({ branches, tags }) => branches !== undefined || tags !== undefined, {
    message: 'use branches, tags or both; none trusts nothing'
  })

/** How the gateway is known to a Git server; its value is kept apart (`gateway credential set`). */
export const credentialName = z
  .string()
  .max(CREDENTIAL_NAME_CHARACTERS_MAX)
  .regex(/^[A-Za-z0-9][\w.-]*$/, 'use letters, digits, dot, dash and underscore')

const plainUrl = z
  .url({ protocol: /^https?$/, error: 'use https://HOST/... or http://HOST/...' })
  .max(REFERENCE_CHARACTERS_MAX)
  .superRefine((text, context) => {
    const { username, password, search, hash } = new URL(text)
    if (`${username}${password}${search}${hash}` === '') return
    context.addIssue({ code: 'custom', message: 'it must hold no user, query or fragment' })
  })

/** A base that paths are put behind: of the pages of this gateway, or of a forge's API. */
const baseUrl = plainUrl.transform((text) => text.replace(/\/+$/, ''))

export const repositorySchema = z.strictObject({
  name: repositoryName,
  forge: z.enum(FORGES).default('git'),
  url: z
    .string()
    .max(REFERENCE_CHARACTERS_MAX)
    .regex(/^[!-~]+$/, 'a URL has no spaces and nothing but ASCII')
    .superRefine(refuseUrl),
  secret_file: z.string().min(1),
  credential: credentialName.optional(),
  /** What agents get for the source, where that is another. */
  checkout: credentialName.optional(),
  /** Tokens go over http:// in the clear, and that is meant so. */
  insecure: z.boolean().optional(),
  /** Base of the forge's API, where it is not the usual one. */
  api: baseUrl.optional(),
  /** Where runs and jobs of a bare repository are told, as it stands: a slash can be part of it. */
  callback: plainUrl.optional(),
  branches: branchesSchema.default(['**']),
  /** Whose pushes run as the repository's own, all where absent; others run as a stranger's. */
  trusted: z
    .union([z.literal('none'), trustedSchema], {
      error: "use none, or { branches: [main, release/*], tags: ['v*'] }"
    })
    .optional(),
  /** Which pull requests of forks wait for an approval. */
  pull_requests: z.strictObject({ approval: z.enum(APPROVALS).default('first_time') }).optional(),
  provision: provisionSchema.optional()
})

export type RepositorySettings = z.output<typeof repositorySchema>

export const gatewaySettingsSchema = z.strictObject({
  name: nameSchema.default(hostname().split('.')[0] || 'gateway'),
  listen: z.array(addressSchema).min(1).default([DEFAULT_LISTEN]),
  announce: z.array(addressSchema).default([]),
  http: httpSchema.default({ host: '127.0.0.1', port: DEFAULT_HTTP_PORT }),
  /** Where people and Git servers reach this gateway; without it statuses have no links. */
  public_url: baseUrl.optional(),
  gossip: z.boolean().default(true),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  secrets: z.strictObject({ key_file: z.string().min(1).optional() }).default({}),
  repositories: z
    .array(repositorySchema)
    .max(REPOSITORIES_MAX)
    .default([])
    .superRefine(refuseDuplicates)
    .superRefine(refuseUseless)
    .superRefine(refuseUnprovisioned)
})

export type GatewaySettings = z.output<typeof gatewaySettingsSchema>

const VARIABLES = {
  name: 'MESH_NAME',
  listen: 'MESH_LISTEN',
  announce: 'MESH_ANNOUNCE',
  http: 'MESH_HTTP_LISTEN',
  gossip: 'MESH_GOSSIP',
  logLevel: 'MESH_LOG_LEVEL'
}

/**
 * Settings of `gateway start`, each with its origin. Throws CONFIG_INVALID with line and column.
 */
export function loadGatewaySettings(parts: {
  readonly file: string
  readonly fileRequired: boolean
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
}): Promise<Loaded<GatewaySettings>> {
  return loadSettings(gatewaySettingsSchema, { ...parts, variables: VARIABLES })
}

/** A secret's path in gateway.yaml is meant from that file's own folder. */
export function secretPath(configFile: string, repository: RepositorySettings): string {
  return resolve(dirname(configFile), repository.secret_file)
}

/** Where the key of all secrets is: meant from the file's folder as well, else in the state. */
export function secretsKeyPath(
  paths: { readonly config: string; readonly secretsKey: string },
  { secrets }: Pick<GatewaySettings, 'secrets'>
): string {
  const { key_file: file } = secrets
  return file === undefined ? paths.secretsKey : resolve(dirname(paths.config), file)
}

/** `HOST:PORT`, `[::1]:8471`: what flags and the environment can say in one word. */
function hostPortOf(text: string, context: z.RefinementCtx): unknown {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text)
  if (match !== null) return { host: match[1] ?? match[2], port: Number(match[3]) }
  const message = 'use HOST:PORT, as in 127.0.0.1:8471'
  context.addIssue({ code: 'custom', message })
  return z.NEVER
}

function refuseUrl(url: string, context: z.RefinementCtx): void {
  const refuse = (message: string): void => context.addIssue({ code: 'custom', message })
  try {
    const { protocol, username, pathname, search, hash } = checkUrl(url)
    if (pathname === '' || pathname === '/') refuse('a URL must name a repository')
    // Announcements carry the URL to every agent: what stands in it is known to all of them.
    if (username !== '' && protocol !== 'ssh:') refuse('a URL must not hold a user name')
    if (search !== '' || hash !== '') refuse('a URL must not hold a query or fragment')
  } catch (error) {
    refuse(error instanceof MeshError ? error.message : 'it is no URL')
  }
}
