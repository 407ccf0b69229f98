import { canonicalRegistry, registryProblem } from '../core/registry-login.ts'
import type { SecretRequest } from '../core/run.ts'
import { REGISTRY_CHARACTERS_MAX, SECRET_NAME_CHARACTERS_MAX } from '../core/secret-limits.ts'
import { envNameProblem } from './environment.ts'
import type { Check } from './text.ts'

/** Folder of a job's container that is in memory: the only place where secrets are files. */
export const SECRETS_INSIDE = '/run/secrets'

/** The files of it that a secret may be. */
export const SECRET_FILE = /^\/run\/secrets\/[A-Za-z0-9_][A-Za-z0-9._-]*$/

/** What is wrong with the name of a secret, with the way out. */
export const secretNameProblem: Check = (name) => {
  if (name.length > SECRET_NAME_CHARACTERS_MAX) {
    return `is too long: at most ${SECRET_NAME_CHARACTERS_MAX} characters are allowed`
  }
  return envNameProblem(name)
}

/** What is wrong with the path of a secret's file, with the way out. */
export const secretFileProblem: Check = (path) => {
  const { length } = path.slice(SECRETS_INSIDE.length + 1)
  if (SECRET_FILE.test(path) && length <= SECRET_NAME_CHARACTERS_MAX) return undefined
  return `is no place for a secret: write ${SECRETS_INSIDE}/NAME, with letters, digits, . _ and -`
}

/** What is wrong with the registry of a login, with the way out. */
export const secretRegistryProblem: Check = (host) => {
  if (host.length <= REGISTRY_CHARACTERS_MAX) return registryProblem(canonicalRegistry(host))
  return `is too long: at most ${REGISTRY_CHARACTERS_MAX} characters are allowed`
}

interface SecretDocument {
  readonly file?: string | undefined
  readonly registry?: string | undefined
}

/** Of `secrets` in a job, a list of names or a map of them, one entry each. */
export function secretRequests(
  document: readonly string[] | Readonly<Record<string, SecretDocument>>
): readonly SecretRequest[] {
  if (Array.isArray(document)) return document.map((name) => ({ name, file: undefined }))
  return Object.entries(document).map(([name, { file, registry }]) => {
    return {
      name,
      file,
      ...(registry === undefined ? {} : { registry: canonicalRegistry(registry) })
    }
  })
}

/** What is wrong with them together, with the way out. */
export function secretsProblem(
  secrets: readonly SecretRequest[],
  env: Readonly<Record<string, unknown>>
): string | undefined {
  const seen = new Set<string>()
  for (const { name, file, registry } of secrets) {
    if (Object.hasOwn(env, name)) return `has ${name}, which \`env\` sets too: remove one of them`
    if (file !== undefined && registry !== undefined) {
      return `has ${name} as a file and as a login: remove one of them`
    }
    for (const each of [name, file, registry].filter((one) => one !== undefined)) {
      if (seen.has(each)) return `has ${each} twice: remove one`
      seen.add(each)
    }
  }
  return undefined
}
