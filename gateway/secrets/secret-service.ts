import { codeOf } from '../../protocol/core/errors.ts'
import type { JobState } from '../../protocol/core/job.ts'
import {
  imagesGiven,
  type JobSpec,
  jobIndexOf,
  runIdOf,
  type SealedAnnouncement,
  secretNamesOf
} from '../../protocol/core/run.ts'
import {
  SECRET_ATTEMPTS_COUNTED_MAX,
  SECRET_RELEASES_MAX,
  SECRETS_PER_JOB_BYTES_MAX
} from '../../protocol/core/secret-limits.ts'
import type { Log } from '../../protocol/host/log.ts'
import { Lru } from '../../protocol/mesh/bounds/lru.ts'
import {
  decodeSecretsRequest,
  encodeSecretsReply,
  type ReleasedSecret,
  type SecretRefusal,
  type SecretsReply,
  type SecretsRequest
} from '../../protocol/wire/secrets-codec.ts'
import { ruleAgainst } from './secret-rules.ts'
import type { SecretRecord, SecretStore } from './secret-store.ts'

export type LeaseRead =
  | {
      readonly kind: 'chosen'
      readonly state: JobState | undefined
      readonly leaseRemainingMs: number
    }
  | { readonly kind: 'unreachable' }

export interface SecretServiceParts {
  readonly store: Pick<SecretStore, 'list' | 'value'>
  /** Whether this peer is an agent of the roster. */
  readonly isAgent: (peer: string) => boolean
  /** What this gateway announced; undefined for runs of others. */
  readonly sealedOf: (runId: string) => SealedAnnouncement | undefined
  /** The job's register, from a quorum of its witnesses now. Rejects where none answers. */
  readonly readJob: (job: string) => Promise<LeaseRead>
  /** Told of every release, before the values are on their way. */
  readonly onReleased: (job: string) => void
  readonly log: Log
}

type Refused = { readonly reason: SecretRefusal; readonly name: string }

/**
 * Gives secrets to whoever holds the lease of the job that names them, and writes down who got
 * which. Values go to the answer and nowhere else.
 */
export class SecretService {
  readonly #parts: SecretServiceParts
  /** Releases by job and epoch. */
  readonly #releases = new Lru<string, number>(SECRET_ATTEMPTS_COUNTED_MAX)

  constructor(parts: SecretServiceParts) {
    this.#parts = parts
  }

  /** The handler of PROTOCOLS.secrets: only members get through to it. */
  readonly handle = async (remote: string, body: Uint8Array): Promise<Uint8Array> => {
    const reply = await this.answer(remote, decodeSecretsRequest(body, remote))
    const bytes = encodeSecretsReply(reply)
    if (reply.kind === 'released') for (const { value } of reply.secrets) value.fill(0)
    return bytes
  }

  async answer(remote: string, request: SecretsRequest): Promise<SecretsReply> {
    const { job, epoch, nonce } = request
    const found = await this.#find(remote, request)
    const facts = { job, epoch, peer: remote }
    if ('reason' in found) {
      this.#parts.log.warn(
        { ...facts, secret: found.name, reason: found.reason },
        'secrets refused'
      )
      return { nonce, kind: 'refused', ...found }
    }
    const names = found.map(({ name }) => name).join(',')
    this.#parts.log.info({ ...facts, names }, 'secrets released')
    this.#parts.onReleased(job)
    return { nonce, kind: 'released', secrets: found }
  }

  async #find(
    remote: string,
    request: SecretsRequest
  ): Promise<Refused | readonly ReleasedSecret[]> {
    const { job, epoch } = request
    if (!this.#parts.isAgent(remote)) return refused('not_holder')
    const sealed = this.#parts.sealedOf(runIdOf(job))
    const spec = sealed?.announcement.manifest.jobs[jobIndexOf(job) ?? -1]
    if (sealed === undefined || spec === undefined) return refused('unknown_job')
    const standing = await this.#standing(remote, request, sealed)
    if (standing !== 'holder') return refused(standing)
    const records = await this.#allowed(request, sealed, spec)
    if ('reason' in records) return records
    const key = `${job} ${epoch}`
    const count = (this.#releases.get(key) ?? 0) + 1
    if (count > SECRET_RELEASES_MAX) return refused('too_often')
    this.#releases.set(key, count)
    return await this.#values(records)
  }

  /** Read anew each time: what gossip last said may be an hour old on a cut-off gateway. */
  async #standing(
    remote: string,
    { job, epoch, claimId }: SecretsRequest,
    { annHash }: SealedAnnouncement
  ): Promise<'holder' | 'not_holder' | 'unknown_job'> {
    const read = await this.#parts.readJob(job).catch(() => undefined)
    if (read?.kind !== 'chosen' || read.state === undefined) return 'unknown_job'
    const { state, leaseRemainingMs } = read
    const { lease } = state
    const isTheirs = lease?.holder === remote && lease.claimId === claimId && state.epoch === epoch
    const isAlive = state.phase === 'leased' && leaseRemainingMs > 0
    // The job that its witnesses know must be the one that is signed here.
    return isTheirs && isAlive && state.annHash === annHash ? 'holder' : 'not_holder'
  }

  async #allowed(
    { names }: SecretsRequest,
    { announcement: { manifest } }: SealedAnnouncement,
    spec: JobSpec
  ): Promise<Refused | readonly SecretRecord[]> {
    const named = new Set(secretNamesOf(spec))
    const records = await this.#parts.store.list()
    const allowed: SecretRecord[] = []
    for (const name of new Set(names)) {
      if (!named.has(name)) return refused('unnamed', name)
      const record = records.find((each) => {
        return each.repository === manifest.repository && each.name === name
      })
      if (record === undefined) return refused('unset', name)
      const rule = imagesGiven(spec, name)
        .map((image) => ruleAgainst(record, manifest, image))
        .find((each) => each !== undefined)
      if (rule !== undefined) return refused(rule, name)
      allowed.push(record)
    }
    return allowed
  }

  async #values(records: readonly SecretRecord[]): Promise<Refused | readonly ReleasedSecret[]> {
    const secrets: ReleasedSecret[] = []
    let bytes = 0
    for (const record of records) {
      const { name, repository } = record
      try {
        const value = await this.#parts.store.value(record)
        bytes += value.length
        secrets.push({ name, value })
      } catch (error) {
        const facts = { name, repository, code: codeOf(error) }
        this.#parts.log.error(facts, 'secret not readable')
        return refused('unreadable', name)
      }
    }
    return bytes > SECRETS_PER_JOB_BYTES_MAX ? refused('too_large') : secrets
  }
}

function refused(reason: SecretRefusal, name = ''): Refused {
  return { reason, name }
}
