import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { ISOLATION_LEVELS } from '../../protocol/core/isolation.ts'
import { GLOB_CHARACTERS_MAX, NAME_CHARACTERS_MAX } from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import {
  REGISTRY_CHARACTERS_MAX,
  SECRET_NAME_CHARACTERS_MAX,
  SECRET_RETIRED_MAX,
  SECRET_RETIRED_MS_MAX,
  SECRET_RULES_MAX,
  SECRETS_PER_REPOSITORY_MAX
} from '../../protocol/core/secret-limits.ts'
import { writeDurable } from '../../protocol/host/durable-file.ts'
import { withFileLock } from '../../protocol/host/file-lock.ts'
import { openSecret, sealSecret } from './sealed-secret.ts'
import { makeSecretsKey, readSecretsKey } from './secret-key.ts'
import type { SecretRules } from './secret-rules.ts'

const GROUP_OR_OTHERS = 0o077

const patterns = z.array(z.string().max(GLOB_CHARACTERS_MAX)).max(SECRET_RULES_MAX)
const sealedSchema = {
  version: z.number().int().min(1),
  /** Of a login: the registry's host. */
  registry: z.string().max(REGISTRY_CHARACTERS_MAX).optional(),
  sealed: z.base64()
}
const secretSchema = z.strictObject({
  ...sealedSchema,
  repository: z.string().max(NAME_CHARACTERS_MAX),
  name: z.string().max(SECRET_NAME_CHARACTERS_MAX),
  events: z.array(z.string().max(NAME_CHARACTERS_MAX)).max(SECRET_RULES_MAX),
  branches: patterns,
  images: patterns,
  isolation: z.enum(ISOLATION_LEVELS).optional(),
  changedAt: z.iso.datetime(),
  /** Values before this one that jobs may still have, the newest last: only to be masked. */
  retired: z
    .array(z.strictObject({ ...sealedSchema, retiredAt: z.iso.datetime() }))
    .max(SECRET_RETIRED_MAX)
    .optional()
})
const fileSchema = z.strictObject({
  secrets: z.array(secretSchema),
  /** The highest version that was ever given, to a secret that was removed perhaps. */
  highest: z.number().int().min(0).default(0)
})

type SecretFile = z.infer<typeof fileSchema>
export type SecretRecord = z.infer<typeof secretSchema>
/** One sealed value: that of a secret now, or one before it. */
export type SealedValue = Pick<
  SecretRecord,
  'repository' | 'name' | 'version' | 'registry' | 'sealed'
>

const NO_FILE: SecretFile = { secrets: [], highest: 0 }

export interface SecretFiles {
  /** The sealed values. */
  readonly file: string
  readonly keyFile: string
}

/**
 * The secrets of this gateway's repositories: one file of mode 0600 with values sealed by a key in
 * another. The daemon and the commands share it; the daemon looks at it again when it has changed.
 */
export class SecretStore {
  readonly #files: SecretFiles
  #seen = ''
  #records: readonly SecretRecord[] = []

  constructor(files: SecretFiles) {
    this.#files = files
  }

  /** Throws KEY_MODE_WIDE, KEY_INVALID. */
  async list(): Promise<readonly SecretRecord[]> {
    const version = await this.version()
    if (version !== this.#seen) {
      this.#records = version === '' ? [] : (await this.#read()).secrets
      this.#seen = version
    }
    return this.#records
  }

  /** Changes with every change of the file; '' for none. Throws KEY_MODE_WIDE. */
  async version(): Promise<string> {
    const { file } = this.#files
    try {
      const { ino, mtimeNs, size, mode } = await stat(file, { bigint: true })
      if ((Number(mode) & GROUP_OR_OTHERS) !== 0) {
        const found = (Number(mode) & 0o777).toString(8).padStart(4, '0')
        throw new MeshError('KEY_MODE_WIDE', { file, found })
      }
      return `${ino}.${mtimeNs}.${size}`
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
      throw error
    }
  }

  /** The value; the caller erases it after use. Throws SECRET_UNREADABLE, STATE_ABSENT. */
  async value(record: SealedValue): Promise<Buffer> {
    const { keyFile: file } = this.#files
    const key = await readSecretsKey(file)
    const value = openSecret(key, record, record.sealed)
    key.fill(0)
    if (value !== undefined) return value
    const { name, repository } = record
    throw new MeshError('SECRET_UNREADABLE', { name, repository, file })
  }

  /** Makes or replaces one. Throws OVERLOADED, FILE_LOCKED, STATE_UNWRITABLE, STATE_ABSENT. */
  async set(
    clock: Clock,
    place: Pick<SecretRecord, 'repository' | 'name' | 'registry'>,
    rules: SecretRules,
    value: Uint8Array
  ): Promise<SecretRecord> {
    return await this.#change(async ({ secrets, highest }) => {
      const isSame = isAt(place)
      const others = secrets.filter((record) => !isSame(record))
      const ofRepository = others.filter(({ repository }) => repository === place.repository)
      if (ofRepository.length >= SECRETS_PER_REPOSITORY_MAX) {
        const what = `the list of secrets of ${place.repository}`
        throw new MeshError('OVERLOADED', { what, max: SECRETS_PER_REPOSITORY_MAX })
      }
      // Under a new key the others could not be read any more: only the first one makes it.
      const make = secrets.length === 0 ? makeSecretsKey : readSecretsKey
      const key = await make(this.#files.keyFile)
      const version = highest + 1
      const sealed = sealSecret(key, { ...place, version }, value)
      key.fill(0)
      const retired = retiredOf(secrets.find(isSame), clock.wallMs())
      const changedAt = new Date(clock.wallMs()).toISOString()
      const lists = {
        events: [...rules.events],
        branches: [...rules.branches],
        images: [...rules.images],
        isolation: rules.isolation
      }
      const record = { ...place, version, ...lists, changedAt, sealed, retired }
      return [{ secrets: [...others, record], highest: version }, record]
    })
  }

  /** Throws SECRET_UNKNOWN, FILE_LOCKED, STATE_UNWRITABLE. */
  async remove(place: { readonly repository: string; readonly name: string }): Promise<void> {
    await this.#change(({ secrets, highest }) => {
      const isSame = isAt(place)
      const kept = secrets.filter((record) => !isSame(record))
      if (kept.length < secrets.length) return [{ secrets: kept, highest }, undefined]
      throw new MeshError('SECRET_UNKNOWN', place)
    })
  }

  async #change<Result>(change: Change<Result>): Promise<Result> {
    return await withFileLock(this.#files.file, async () => {
      // From the disk: what this store saw last may be what another command has just changed.
      const file = (await this.version()) === '' ? NO_FILE : await this.#read()
      const [changed, result] = await change(file)
      const text = `${JSON.stringify(changed, undefined, 2)}\n`
      await writeDurable(this.#files.file, text, 0o600)
      return result
    })
  }

  async #read(): Promise<SecretFile> {
    const { file } = this.#files
    try {
      const { secrets, highest } = fileSchema.parse(JSON.parse(await readFile(file, 'utf8')))
      // A file of an earlier gateway says nothing of the highest.
      return { secrets, highest: Math.max(highest, ...secrets.map(({ version }) => version)) }
    } catch (error) {
      const cause = error instanceof z.ZodError ? z.prettifyError(error) : causeOf(error)
      throw new MeshError('KEY_INVALID', { file, cause }, { cause: error })
    }
  }
}

type Changed<Result> = readonly [SecretFile, Result]
type Change<Result> = (file: SecretFile) => Changed<Result> | Promise<Changed<Result>>

function isAt({ repository, name }: { readonly repository: string; readonly name: string }) {
  return (record: SecretRecord): boolean => record.repository === repository && record.name === name
}

/** What a job that runs now may have been given before. */
function retiredOf(before: SecretRecord | undefined, nowMs: number): SecretRecord['retired'] {
  if (before === undefined) return []
  const { version, registry, sealed, retired = [] } = before
  const retiredAt = new Date(nowMs).toISOString()
  const isKept = (each: { readonly retiredAt: string }): boolean =>
    nowMs - Date.parse(each.retiredAt) < SECRET_RETIRED_MS_MAX
  return [...retired.filter(isKept), { version, registry, sealed, retiredAt }].slice(
    -SECRET_RETIRED_MAX
  )
}
