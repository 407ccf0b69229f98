import { createHash, timingSafeEqual } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { z } from 'zod'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { NAME_CHARACTERS_MAX, TOKENS_MAX } from '../../protocol/core/limits.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import { writeDurable } from '../../protocol/host/durable-file.ts'
import { withFileLock } from '../../protocol/host/file-lock.ts'

/** What a token can be made for; a file of a newer gateway may name more. */
/** Each is good for what those before it are, too. */
export const SCOPES = ['read', 'write', 'trusted'] as const
export type Scope = (typeof SCOPES)[number]

/** Bytes of randomness in one token. */
const TOKEN_BYTES = 32
const TOKEN_PREFIX = 'rmt_'
const GROUP_OR_OTHERS = 0o077

const tokenSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{8}$/),
  name: z.string().max(NAME_CHARACTERS_MAX),
  scopes: z.array(z.string().max(NAME_CHARACTERS_MAX)).max(16),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.iso.datetime()
})
const fileSchema = z.strictObject({ tokens: z.array(tokenSchema).max(TOKENS_MAX) })

export type TokenRecord = z.infer<typeof tokenSchema>

/**
 * Bearer tokens in one file of mode 0600, as SHA-256 only: who reads the file cannot use them. The
 * daemon and the commands share the file; the daemon looks at it again whenever it has changed.
 */
export class TokenStore {
  readonly #file: string
  #seen = ''
  #records: readonly TokenRecord[] = []

  constructor(file: string) {
    this.#file = file
  }

  /** The record of a presented token. Throws KEY_MODE_WIDE, KEY_INVALID for a broken file. */
  async find(token: string): Promise<TokenRecord | undefined> {
    const wanted = Buffer.from(sha256(token), 'hex')
    let found: TokenRecord | undefined
    // All of them, so that the time taken does not tell which one came close.
    for (const record of await this.list()) {
      if (timingSafeEqual(Buffer.from(record.sha256, 'hex'), wanted)) found = record
    }
    return found
  }

  async list(): Promise<readonly TokenRecord[]> {
    const version = await this.#version()
    if (version !== this.#seen) {
      this.#records = version === '' ? [] : await this.#read()
      this.#seen = version
    }
    return this.#records
  }

  /** A new token; its text is given once and kept nowhere. Throws OVERLOADED, FILE_LOCKED. */
  async create(
    parts: { readonly clock: Clock; readonly random: Random },
    options: { readonly name: string; readonly scopes: readonly string[] }
  ): Promise<{ readonly token: string; readonly record: TokenRecord }> {
    const secret = Buffer.from(parts.random.id(TOKEN_BYTES), 'hex').toString('base64url')
    const token = `${TOKEN_PREFIX}${secret}`
    const record = {
      id: parts.random.id(4),
      name: options.name,
      scopes: [...options.scopes],
      sha256: sha256(token),
      createdAt: new Date(parts.clock.wallMs()).toISOString()
    }
    await this.#change((records) => {
      if (records.length < TOKENS_MAX) return [...records, record]
      throw new MeshError('OVERLOADED', { what: 'the list of tokens', max: TOKENS_MAX })
    })
    return { token, record }
  }

  /** Throws TOKEN_UNKNOWN, FILE_LOCKED. */
  async revoke(id: string): Promise<void> {
    await this.#change((records) => {
      const kept = records.filter((record) => record.id !== id)
      if (kept.length < records.length) return kept
      throw new MeshError('TOKEN_UNKNOWN', { id })
    })
  }

  async #change(
    changed: (records: readonly TokenRecord[]) => readonly TokenRecord[]
  ): Promise<void> {
    await withFileLock(this.#file, async () => {
      // From the disk: what this store saw last may be what another command has just changed.
      const records = (await this.#version()) === '' ? [] : await this.#read()
      const text = `${JSON.stringify({ tokens: changed(records) }, undefined, 2)}\n`
      await writeDurable(this.#file, text, 0o600)
    })
  }

  /** Changes with every write: a replaced file has another inode. '' for no file. */
  async #version(): Promise<string> {
    try {
      const file = await open(this.#file, 'r')
      try {
        const { ino, mtimeNs, size, mode } = await file.stat({ bigint: true })
        if ((Number(mode) & GROUP_OR_OTHERS) !== 0) {
          const found = (Number(mode) & 0o777).toString(8).padStart(4, '0')
          throw new MeshError('KEY_MODE_WIDE', { file: this.#file, found })
        }
        return `${ino}.${mtimeNs}.${size}`
      } finally {
        await file.close()
      }
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
      throw error
    }
  }

  async #read(): Promise<readonly TokenRecord[]> {
    try {
      return fileSchema.parse(JSON.parse(await readFile(this.#file, 'utf8'))).tokens
    } catch (error) {
      const cause = error instanceof z.ZodError ? z.prettifyError(error) : causeOf(error)
      throw new MeshError('KEY_INVALID', { file: this.#file, cause }, { cause: error })
    }
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
