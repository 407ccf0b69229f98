import { codeOf } from '../../protocol/core/errors.ts'
import type { LogLine } from '../../protocol/core/log-line.ts'
import { Masker } from '../../protocol/core/masker/masker.ts'
import { jobIndexOf, runIdOf, type SealedAnnouncement } from '../../protocol/core/run.ts'
import { LOG_MASKERS_MAX } from '../../protocol/core/secret-limits.ts'
import type { Log } from '../../protocol/host/log.ts'
import { Lru } from '../../protocol/mesh/bounds/lru.ts'
import type { SecretStore } from './secret-store.ts'

export interface LogMaskersParts {
  readonly store: Pick<SecretStore, 'list' | 'value'>
  readonly sealedOf: (runId: string) => SealedAnnouncement | undefined
  readonly log: Log
}

/** Masks log lines once more where they are kept: an agent that does not would show its secrets. */
export class LogMaskers {
  readonly #parts: LogMaskersParts
  readonly #made = new Lru<string, Promise<Masker>>(LOG_MASKERS_MAX)

  constructor(parts: LogMaskersParts) {
    this.#parts = parts
  }

  async masked(job: string, lines: readonly LogLine[]): Promise<readonly LogLine[]> {
    const { repository, names } = this.#named(job)
    if (names.length === 0) return lines
    const made = this.#made.get(job) ?? this.#make(repository, names)
    this.#made.set(job, made)
    const masker = await made
    return lines.map((line) => ({ ...line, text: masker.text(line.text) }))
  }

  /** Its values may be others now. */
  forget(job: string): void {
    this.#made.delete(job)
  }

  #named(job: string): { readonly repository: string; readonly names: readonly string[] } {
    const manifest = this.#parts.sealedOf(runIdOf(job))?.announcement.manifest
    const secrets = manifest?.jobs[jobIndexOf(job) ?? -1]?.secrets ?? []
    return { repository: manifest?.repository ?? '', names: secrets.map(({ name }) => name) }
  }

  async #make(repository: string, names: readonly string[]): Promise<Masker> {
    const values: Buffer[] = []
    for (const record of await this.#parts.store.list().catch(() => [])) {
      if (record.repository !== repository || !names.includes(record.name)) continue
      try {
        values.push(await this.#parts.store.value(record))
      } catch (error) {
        // Nor was it released: there is nothing to mask.
        this.#parts.log.debug({ name: record.name, code: codeOf(error) }, 'secret not masked')
      }
    }
    const masker = new Masker(values)
    for (const value of values) value.fill(0)
    return masker
  }
}
