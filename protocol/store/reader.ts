import { causeOf, MeshError } from '../core/errors.ts'
import type { Committer } from './committer.ts'
import type { Database, RowRange } from './database.ts'
import { unsealJson, unsealValue } from './sealed-value.ts'

export interface ReaderParts {
  readonly database: Pick<Database, 'get' | 'iterator'>
  readonly committer: Committer
}

/**
 * Reads of a running store. What cannot be read back is lost: it fails the whole store with
 * STORE_SUSPECT, since an answer without it could grant what was granted before. Every call rejects
 * with what the store failed with.
 */
export class Reader {
  readonly #parts: ReaderParts
  readonly #dir: string

  constructor(parts: ReaderParts, options: { readonly dir: string }) {
    this.#parts = parts
    this.#dir = options.dir
  }

  /** The value as it was sealed. */
  async sealed(key: string): Promise<Uint8Array | undefined> {
    this.#parts.committer.check()
    try {
      return await this.#parts.database.get(key)
    } catch (error) {
      throw this.#unreadable(error)
    }
  }

  async bytes(key: string): Promise<Uint8Array | undefined> {
    const sealed = await this.sealed(key)
    return sealed === undefined ? undefined : this.unseal(key, sealed)
  }

  async json<Document>(key: string): Promise<Document | undefined> {
    const sealed = await this.sealed(key)
    return sealed === undefined ? undefined : this.unsealJson<Document>(key, sealed)
  }

  /** Keys with sealed values, in key order, from one snapshot. */
  async *rows(range: RowRange): AsyncIterable<[string, Uint8Array]> {
    this.#parts.committer.check()
    try {
      yield* this.#parts.database.iterator(range)
    } catch (error) {
      throw this.#unreadable(error)
    }
  }

  unseal(key: string, sealed: Uint8Array): Uint8Array {
    return this.checked(() => unsealValue(this.#dir, key, sealed))
  }

  unsealJson<Document>(key: string, sealed: Uint8Array): Document {
    return this.checked(() => unsealJson<Document>(this.#dir, key, sealed))
  }

  /** What `read` makes of stored bytes; its failure is a loss. */
  checked<Result>(read: () => Result): Result {
    try {
      return read()
    } catch (error) {
      throw this.lost(error instanceof MeshError ? String(error.facts['cause']) : causeOf(error))
    }
  }

  /** Fails the store; to be thrown. */
  lost(cause: string): MeshError {
    const error = new MeshError('STORE_SUSPECT', { dir: this.#dir, cause })
    this.#parts.committer.fail(error)
    return error
  }

  #unreadable(error: unknown): MeshError {
    // A read that was under way when the store ended has lost nothing.
    this.#parts.committer.check()
    return this.lost(causeOf(error))
  }
}
