import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import {
  CREDENTIAL_NAME_CHARACTERS_MAX,
  CREDENTIALS_MAX
} from '../../protocol/core/forge-limits.ts'
import { writeDurable } from '../../protocol/host/durable-file.ts'
import { withFileLock } from '../../protocol/host/file-lock.ts'
import { openSecret, type SecretPlace, sealSecret } from './sealed-secret.ts'
import { makeSecretsKey, readSecretsKey } from './secret-key.ts'

const GROUP_OR_OTHERS = 0o077

export const CREDENTIAL_KINDS = ['token', 'github-app', 'deploy-key'] as const
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number]

/** No repository has a name like this: what is sealed for the one never opens as the other. */
const CREDENTIAL_PLACE = '//credential'

const recordSchema = z.strictObject({
  name: z.string().max(CREDENTIAL_NAME_CHARACTERS_MAX),
  kind: z.enum(CREDENTIAL_KINDS),
  /** Of a GitHub App: its id or its client id. */
  app: z.string().optional(),
  /** Whom git names with the token; each forge has a usual one. */
  user: z.string().optional(),
  version: z.number().int().min(1),
  changedAt: z.iso.datetime(),
  sealed: z.base64()
})

const fileSchema = z.strictObject({
  credentials: z.array(recordSchema).max(CREDENTIALS_MAX),
  /** The highest version that was ever given. */
  highest: z.number().int().min(0)
})

type CredentialFile = z.infer<typeof fileSchema>
export type CredentialRecord = z.infer<typeof recordSchema>

const NO_FILE: CredentialFile = { credentials: [], highest: 0 }

export interface CredentialFiles {
  /** The sealed values. */
  readonly file: string
  /** The key of all secrets of this gateway. */
  readonly keyFile: string
  /** The secrets that are sealed with the same key: where there are some, none is made. */
  readonly secrets: string
}

export type CredentialWanted = Pick<CredentialRecord, 'name' | 'kind' | 'app' | 'user'>

/**
 * By what this gateway is known to Git servers: one file of mode 0600 with values sealed by the key
 * of its secrets. The daemon and the commands share it.
 */
export class CredentialStore {
  readonly #files: CredentialFiles

  constructor(files: CredentialFiles) {
    this.#files = files
  }

  /** Throws KEY_MODE_WIDE, KEY_INVALID. */
  async list(): Promise<readonly CredentialRecord[]> {
    return (await this.#read()).credentials
  }

  /** Throws CREDENTIAL_UNKNOWN, KEY_MODE_WIDE, KEY_INVALID. */
  async find(name: string): Promise<CredentialRecord> {
    const found = (await this.list()).find((record) => record.name === name)
    if (found === undefined) throw new MeshError('CREDENTIAL_UNKNOWN', { name })
    return found
  }

  /** The value; the caller erases it after use. Throws CREDENTIAL_UNREADABLE, STATE_ABSENT. */
  async value(record: CredentialRecord): Promise<Buffer> {
    const { keyFile: file } = this.#files
    const key = await readSecretsKey(file)
    const value = openSecret(key, placeOf(record), record.sealed)
    key.fill(0)
    if (value !== undefined) return value
    throw new MeshError('CREDENTIAL_UNREADABLE', { name: record.name, file })
  }

  /** Makes or replaces one. Throws OVERLOADED, FILE_LOCKED, STATE_UNWRITABLE, STATE_ABSENT. */
  async set(
    wanted: CredentialWanted,
    value: Uint8Array,
    wallMs: number
  ): Promise<CredentialRecord> {
    return await this.#change(async ({ credentials, highest }) => {
      const others = credentials.filter(({ name }) => name !== wanted.name)
      if (others.length >= CREDENTIALS_MAX) {
        throw new MeshError('OVERLOADED', { what: 'the credentials', max: CREDENTIALS_MAX })
      }
      const isFirst = credentials.length === 0 && !(await exists(this.#files.secrets))
      const key = await (isFirst ? makeSecretsKey : readSecretsKey)(this.#files.keyFile)
      const version = highest + 1
      const sealed = sealSecret(key, placeOf({ ...wanted, version }), value)
      key.fill(0)
      const changedAt = new Date(wallMs).toISOString()
      const record = { ...wanted, version, changedAt, sealed }
      return [{ credentials: [...others, record], highest: version }, record]
    })
  }

  /** Throws CREDENTIAL_UNKNOWN, FILE_LOCKED, STATE_UNWRITABLE. */
  async remove(name: string): Promise<void> {
    await this.#change(({ credentials, highest }) => {
      const kept = credentials.filter((record) => record.name !== name)
      if (kept.length < credentials.length) return [{ credentials: kept, highest }, undefined]
      throw new MeshError('CREDENTIAL_UNKNOWN', { name })
    })
  }

  async #change<Result>(change: Change<Result>): Promise<Result> {
    const { file } = this.#files
    return await withFileLock(file, async () => {
      const [changed, result] = await change(await this.#read())
      await writeDurable(file, `${JSON.stringify(changed, undefined, 2)}\n`, 0o600)
      return result
    })
  }

  async #read(): Promise<CredentialFile> {
    const { file } = this.#files
    if (!(await exists(file))) return NO_FILE
    try {
      return fileSchema.parse(JSON.parse(await readFile(file, 'utf8')))
    } catch (error) {
      const cause = error instanceof z.ZodError ? z.prettifyError(error) : causeOf(error)
      throw new MeshError('KEY_INVALID', { file, cause }, { cause: error })
    }
  }
}

type Changed<Result> = readonly [CredentialFile, Result]
type Change<Result> = (file: CredentialFile) => Changed<Result> | Promise<Changed<Result>>

function placeOf({ name, version }: Pick<CredentialRecord, 'name' | 'version'>): SecretPlace {
  return { repository: CREDENTIAL_PLACE, name, version }
}

/** Throws KEY_MODE_WIDE for a file that others may touch. */
async function exists(file: string): Promise<boolean> {
  try {
    const { mode } = await stat(file)
    if ((mode & GROUP_OR_OTHERS) === 0) return true
    const found = (mode & 0o777).toString(8).padStart(4, '0')
    throw new MeshError('KEY_MODE_WIDE', { file, found })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}
