import { causeOf, codeOf, MeshError } from '../../protocol/core/errors.ts'
import type { LogLine } from '../../protocol/core/log-line.ts'
import { Masker } from '../../protocol/core/masker/masker.ts'
import { hiddenOf } from '../../protocol/core/registry-login.ts'
import {
  jobIndexOf,
  runIdOf,
  type SealedAnnouncement,
  secretNamesOf
} from '../../protocol/core/run.ts'
import {
  LOG_MASKERS_MAX,
  LOG_REFUSALS_SAID_MAX,
  SECRETS_PER_JOB_BYTES_MAX
} from '../../protocol/core/secret-limits.ts'
import type { Log } from '../../protocol/host/log.ts'
import { Lru } from '../../protocol/mesh/bounds/lru.ts'
import type { SealedValue, SecretRecord, SecretStore } from './secret-store.ts'

export interface LogMaskersParts {
  readonly store: Pick<SecretStore, 'list' | 'value'>
  readonly sealedOf: (runId: string) => SealedAnnouncement | undefined
  /**
   * Of a slot what its runner is configured with; nothing for other jobs. Rejects where that cannot
   * be read.
   */
  readonly hiddenOf: (job: string) => Promise<readonly Uint8Array[]>
  readonly log: Log
}

/** Masks log lines once more where they are kept: an agent that does not would show its secrets. */
export class LogMaskers {
  readonly #parts: LogMaskersParts
  readonly #made = new Lru<string, Promise<Masker>>(LOG_MASKERS_MAX)
  /** Jobs whose failure the log has: their agents send the same lines again and again. */
  readonly #said = new Lru<string, true>(LOG_REFUSALS_SAID_MAX)

  constructor(parts: LogMaskersParts) {
    this.#parts = parts
  }

  /** Undefined where a value cannot be read now: such lines must not be kept, but sent again. */
  async masked(job: string, lines: readonly LogLine[]): Promise<readonly LogLine[] | undefined> {
    if (lines.length === 0) return lines
    const manifest = this.#parts.sealedOf(runIdOf(job))?.announcement.manifest
    const spec = manifest?.jobs[jobIndexOf(job) ?? -1]
    // Whether it names secrets is not known: as good as one that cannot be read.
    if (manifest === undefined || spec === undefined) return undefined
    const names = secretNamesOf(spec)
    if (names.length === 0) return lines
    const masker = await this.#masker(job, manifest.repository, names)
    return masker && lines.map((line) => ({ ...line, text: masker.text(line.text) }))
  }

  /** Its values may be others now. */
  forget(job: string): void {
    this.#made.delete(job)
  }

  async #masker(
    job: string,
    repository: string,
    names: readonly string[]
  ): Promise<Masker | undefined> {
    const making = this.#made.get(job) ?? this.#make(job, repository, names)
    this.#made.set(job, making)
    try {
      const masker = await making
      this.#said.delete(job)
      return masker
    } catch (error) {
      // Kept, it would refuse the log for good; another may have been made since.
      if (this.#made.get(job) === making) this.#made.delete(job)
      if (!this.#said.has(job)) {
        const facts = { job, code: codeOf(error), cause: causeOf(error) }
        this.#parts.log.error(facts, 'log refused: its secrets cannot be read')
      }
      this.#said.set(job, true)
      return undefined
    }
  }

  /** Of all that are set, or of none: one left out would be shown. A removed one is no more. */
  async #make(job: string, repository: string, names: readonly string[]): Promise<Masker> {
    const values: Uint8Array[] = []
    const open = async (sealed: SealedValue): Promise<Buffer> => {
      const value = await this.#parts.store.value(sealed)
      values.push(value)
      return value
    }
    try {
      const records = (await this.#parts.store.list()).filter((record) => {
        return record.repository === repository && names.includes(record.name)
      })
      const hidden: Uint8Array[] = [...(await this.#parts.hiddenOf(job))]
      let bytes = 0
      for (const record of records) {
        const value = await open(record)
        bytes += value.length
        // Nobody is given so many; their masker could take all of the gateway's memory.
        if (bytes > SECRETS_PER_JOB_BYTES_MAX) {
          throw new MeshError('SECRET_REFUSED', { name: record.name, reason: 'too_large' })
        }
        hidden.push(...hiddenIn(record, value))
      }
      // A job that was running when it was set anew has the value before: as many as there is room.
      for (const before of records.flatMap(retiredOf).toSorted((a, b) => b.version - a.version)) {
        const value = await open(before)
        bytes += value.length
        if (bytes > SECRETS_PER_JOB_BYTES_MAX) break
        hidden.push(...hiddenIn(before, value))
      }
      return new Masker(hidden)
    } finally {
      for (const value of values) value.fill(0)
    }
  }
}

function retiredOf({ repository, name, retired = [] }: SecretRecord): readonly SealedValue[] {
  return retired.map((before) => ({ repository, name, ...before }))
}

function hiddenIn({ registry }: SealedValue, value: Uint8Array): readonly Uint8Array[] {
  return registry === undefined ? [value] : hiddenOf(value)
}
