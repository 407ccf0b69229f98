import { MeshError } from '../protocol/core/errors.ts'
import { readSecretFile } from '../protocol/host/secret-file.ts'
import { matchesGlob } from '../protocol/pipeline/glob.ts'
import { type GatewaySettings, type RepositorySettings, secretPath } from './config.ts'
import { isSameRepository } from './hooks/git-push.ts'
import { secretProblem, WebhookSecret } from './hooks/standard-webhook.ts'

/** A declared repository, ready to take deliveries. */
export interface Repository {
  readonly name: string
  readonly url: string
  readonly secret: WebhookSecret
  selects(branch: string): boolean
}

/** What deliveries may name (decision 5): replaced as a whole when the settings are read again. */
export class Repositories {
  #byName: ReadonlyMap<string, Repository>

  constructor(repositories: readonly Repository[]) {
    this.#byName = byName(repositories)
  }

  find(name: string): Repository | undefined {
    return this.#byName.get(name)
  }

  /** The one that is the same repository as `url`, whatever its name. */
  findSame(url: string): Repository | undefined {
    return [...this.#byName.values()].find((each) => isSameRepository(each.url, url))
  }

  get size(): number {
    return this.#byName.size
  }

  replace(repositories: readonly Repository[]): void {
    this.#byName = byName(repositories)
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
  const text = new TextDecoder().decode(await readHookSecret(file, entry.name, configFile)).trim()
  const problem = secretProblem(text)
  if (problem !== undefined) throw new MeshError('KEY_INVALID', { file, cause: problem })
  return {
    name: entry.name,
    url: entry.url,
    secret: new WebhookSecret(text),
    selects: (branch) => entry.branches.some((pattern) => matchesGlob(pattern, branch))
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

function byName(repositories: readonly Repository[]): ReadonlyMap<string, Repository> {
  return new Map(repositories.map((repository) => [repository.name, repository]))
}
