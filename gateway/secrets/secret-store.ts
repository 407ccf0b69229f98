import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { GLOB_CHARACTERS_MAX, NAME_CHARACTERS_MAX } from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import {
  SECRET_NAME_CHARACTERS_MAX,
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
const secretSchema = z.strictObject({
  repository: z.string().max(NAME_CHARACTERS_MAX),
  name: z.string().max(SECRET_NAME_CHARACTERS_MAX),
  version: z.number().int().min(1),
  events: z.array(z.string().max(NAME_CHARACTERS_MAX)).max(SECRET_RULES_MAX),
  branches: patterns,
  images: patterns,
  changedAt: z.iso.datetime(),
  sealed: z.base64()
})
const fileSchema = z.strictObject({ secrets: z.array(secretSchema) })

export type SecretRecord = z.infer<typeof secretSchema>

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
      this.#records = version === '' ? [] : await this.#read()
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
  async value(record: SecretRecord): Promise<Buffer> {
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
    place: { readonly repository: string; readonly name: string },
    rules: SecretRules,
    value: Uint8Array
  ): Promise<SecretRecord> {
    return await this.#change(async (records) => {
      // Under a new key the others could not be read any more: only the first one makes it.
      const make = records.length === 0 ? makeSecretsKey : readSecretsKey
      const key = await make(this.#files.keyFile)
      const isSame = isAt(place)
      const others = records.filter((record) => !isSame(record))
      const ofRepository = others.filter(({ repository }) => repository === place.repository)
      if (ofRepository.length >= SECRETS_PER_REPOSITORY_MAX) {
        const what = `the list of secrets of ${place.repository}`
        throw new MeshError('OVERLOADED', { what, max: SECRETS_PER_REPOSITORY_MAX })
      }
      const version = (records.find(isSame)?.version ?? 0) + 1
      const sealed = sealSecret(key, { ...place, version }, value)
      key.fill(0)
      const changedAt = new Date(clock.wallMs()).toISOString()
      const { events, branches, images } = rules
      const lists = { events: [...events], branches: [...branches], images: [...images] }
      const record = { ...place, version, ...lists, changedAt, sealed }
      return [[...others, record], record]
    })
  }

  /** Throws SECRET_UNKNOWN, FILE_LOCKED, STATE_UNWRITABLE. */
  async remove(place: { readonly repository: string; readonly name: string }): Promise<void> {
    await this.#change((records) => {
      const isSame = isAt(place)
      const kept = records.filter((record) => !isSame(record))
      if (kept.length < records.length) return [kept, undefined]
      throw new MeshError('SECRET_UNKNOWN', place)
    })
  }

  async #change<Result>(change: Change<Result>): Promise<Result> {
    return await withFileLock(this.#files.file, async () => {
      // From the disk: what this store saw last may be what another command has just changed.
      const records = (await this.version()) === '' ? [] : await this.#read()
      const [changed, result] = await change(records)
      const text = `${JSON.stringify({ secrets: changed }, undefined, 2)}\n`
      await writeDurable(this.#files.file, text, 0o600)
      return result
    })
  }

  async #read(): Promise<readonly SecretRecord[]> {
    const { file } = this.#files
    try {
      return fileSchema.parse(JSON.parse(await readFile(file, 'utf8'))).secrets
    } catch (error) {
      const cause = error instanceof z.ZodError ? z.prettifyError(error) : causeOf(error)
      throw new MeshError('KEY_INVALID', { file, cause }, { cause: error })
    }
  }
}

type Changed<Result> = readonly [readonly SecretRecord[], Result]
type Change<Result> = (
  records: readonly SecretRecord[]
) => Changed<Result> | Promise<Changed<Result>>

function isAt({ repository, name }: { readonly repository: string; readonly name: string }) {
  return (record: SecretRecord): boolean => record.repository === repository && record.name === name
}
