import { MeshError } from '../protocol/core/errors.ts'
import { matchesGlob } from '../protocol/core/glob.ts'
import { readSecretFile } from '../protocol/host/secret-file.ts'
import { type GatewaySettings, type RepositorySettings, secretPath } from './config.ts'
import { cloneKey } from './hooks/clone-url.ts'
import type { ForgeName, HookSecret, NamedRepository } from './hooks/forge-hook.ts'
import { FORGE_HOOKS } from './hooks/forge-hooks.ts'
import { WebhookSecret } from './hooks/standard-webhook.ts'
import type { DeclaredRepository } from './ports.ts'
import { loadProvision } from './provision/load-provision.ts'
import { isSameRepository } from './source-event.ts'

export interface RepositoryCallback {
  readonly url: string
  readonly secret: Pick<WebhookSecret, 'sign'>
}

/** A declared repository, ready to take deliveries. */
export interface Repository extends DeclaredRepository {
  readonly forge: ForgeName
  readonly secret: HookSecret
  /** Base of the forge's API, where it is not the usual one. */
  readonly api?: string | undefined
  /** Name of what this gateway is known by there. */
  readonly credential?: string | undefined
  /** Name of what agents get for its source, where that is another. */
  readonly checkout?: string | undefined
  /** Of bare Git: where its runs are told, signed with its secret. */
  readonly callback?: RepositoryCallback | undefined
}

/** What deliveries may name (decision 5): replaced as a whole when the settings are read again. */
export class Repositories {
  #byName: ReadonlyMap<string, Repository> = new Map()
  #byPlace: ReadonlyMap<string, Repository> = new Map()
  #byForgeName: ReadonlyMap<string, Repository> = new Map()

  constructor(repositories: readonly Repository[]) {
    this.replace(repositories)
  }

  find(name: string): Repository | undefined {
    return this.#byName.get(name)
  }

  /**
   * The entry of that forge which a body's repository selects. Its clone URL goes first, since two
   * servers of one kind may have an owner/name in common; the name is for servers that are reached
   * by another address than the one they know of themselves. Whichever it is, its own secret must
   * verify. A bare repository has no name but that of its entry.
   */
  select(forge: ForgeName, { name, urls }: NamedRepository): Repository | undefined {
    if (forge === 'git') {
      const found = this.#byName.get(name)
      return found?.forge === 'git' ? found : undefined
    }
    for (const url of urls) {
      const found = this.#byPlace.get(keyOf(forge, cloneKey(url)))
      if (found !== undefined) return found
    }
    return this.#byForgeName.get(keyOf(forge, name.toLowerCase()))
  }

  /** The one that is the same repository as `url`, whatever its name. */
  findSame(url: string): Repository | undefined {
    return [...this.#byName.values()].find((each) => isSameRepository(each.url, url))
  }

  all(): readonly Repository[] {
    return [...this.#byName.values()]
  }

  get size(): number {
    return this.#byName.size
  }

  replace(repositories: readonly Repository[]): void {
    const mapBy = (key: (repository: Repository) => string) =>
      new Map(repositories.map((each) => [key(each), each]))
    this.#byName = mapBy(({ name }) => name)
    this.#byPlace = mapBy(({ forge, url }) => keyOf(forge, cloneKey(url)))
    this.#byForgeName = mapBy(({ forge, name }) => keyOf(forge, name.toLowerCase()))
  }
}

/**
 * Reads every secret. Throws CONFIG_INVALID, KEY_MODE_WIDE, KEY_INVALID: a hook without a secret
 * would let anyone start jobs, so that one bad entry refuses the whole start.
 */
export async function loadRepositories(
  settings: GatewaySettings,
  configFile: string
): Promise<Repository[]> {
  const repositories: Repository[] = []
  for (const entry of settings.repositories) {
    repositories.push(await loadRepository(entry, configFile))
  }
  return repositories
}

/** One of them. */
export async function loadRepository(
  entry: RepositorySettings,
  configFile: string
): Promise<Repository> {
  const file = secretPath(configFile, entry)
  const text = textOf(await readHookSecret(file, entry.name, configFile), file)
  const read = FORGE_HOOKS[entry.forge].secretOf(text)
  if (read.kind === 'unusable') throw new MeshError('KEY_INVALID', { file, cause: read.problem })
  return {
    name: entry.name,
    forge: entry.forge,
    url: entry.url,
    secret: read.secret,
    api: entry.api,
    credential: entry.credential,
    checkout: entry.checkout,
    callback: callbackOf(entry, text),
    selects: (branch) => matchesAny(entry.branches, branch),
    trusts: (branch) => isTrusted(entry, 'branches', branch),
    trustsTag: (tag) => isTrusted(entry, 'tags', tag),
    approval: entry.pull_requests?.approval ?? 'first_time',
    provision: loadProvision(entry)
  }
}

function callbackOf(
  { callback }: RepositorySettings,
  secret: string
): RepositoryCallback | undefined {
  if (callback === undefined) return undefined
  return { url: callback, secret: new WebhookSecret(secret.trim()) }
}

function isTrusted(
  { trusted }: RepositorySettings,
  kind: 'branches' | 'tags',
  name: string
): boolean {
  if (trusted === undefined) return true
  return trusted !== 'none' && matchesAny(trusted[kind] ?? [], name)
}

function matchesAny(patterns: readonly string[], branch: string): boolean {
  return patterns.some((pattern) => matchesGlob(pattern, branch))
}

/** Broken bytes read as one and the same character: another secret than the forge's. */
function textOf(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new MeshError('KEY_INVALID', { file, cause: 'it is not UTF-8' }, { cause })
  }
}

async function readHookSecret(file: string, name: string, configFile: string): Promise<Uint8Array> {
  try {
    return await readSecretFile(file)
  } catch (cause) {
    if (!(cause instanceof MeshError) || cause.code !== 'STATE_ABSENT') throw cause
    const problem = `repository ${name} has no secret: ${file} does not exist; \`gateway repo add\` makes one`
    throw new MeshError('CONFIG_INVALID', { file: configFile, problem }, { cause })
  }
}

/** No forge's name holds a space. */
function keyOf(forge: ForgeName, place: string | undefined): string {
  return `${forge} ${place ?? ''}`
}
