import { causeOf, codeOf, MeshError } from '../../protocol/core/errors.ts'
import { GIVEN_BEFORE } from '../../protocol/core/given-runner.ts'
import { type Isolation, type IsolationWish, isolationFor } from '../../protocol/core/isolation.ts'
import type { JobState } from '../../protocol/core/job.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import {
  imagesGiven,
  type JobSpec,
  jobIndexOf,
  runIdOf,
  type SealedAnnouncement,
  secretRequestsOf
} from '../../protocol/core/run.ts'
import {
  SECRET_ATTEMPTS_COUNTED_MAX,
  SECRET_RELEASES_EVERY_MS,
  SECRET_RELEASES_MAX,
  SECRETS_PER_JOB_BYTES_MAX,
  SECRETS_REQUEST_MS_MAX
} from '../../protocol/core/secret-limits.ts'
import {
  SOURCE_ACCESS,
  type SourceAccess,
  sourceAccessBytes
} from '../../protocol/core/source-access.ts'
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
import type { HeldSlot } from '../provision/provision-room.ts'
import { isKeptApart, ruleAgainst } from './secret-rules.ts'
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
  /**
   * What this agent says that it keeps the job apart by, in what it signed last; undefined where
   * nothing of it is known yet.
   */
  readonly isolationOf: (peer: string) => Isolation | undefined
  /**
   * What a slot's runner is configured with; undefined where it gets none, or was given what is
   * not known any more. May be asked again.
   */
  readonly configure: (slot: HeldSlot) => Promise<readonly ReleasedSecret[] | undefined>
  /**
   * By what an agent gets at the source of a run of this repository; undefined where there is
   * nothing for it, or no need. Rejects with the errors of the credential and of the forge.
   */
  readonly sourceOf: (
    repository: { readonly name: string; readonly url: string },
    signal: AbortSignal
  ) => Promise<SourceAccess | undefined>
  /** Told of every release, before the values are on their way. */
  readonly onReleased: (job: string) => void
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Log
}

/** What one attempt was given since then. */
interface Releases {
  readonly sinceMs: number
  readonly count: number
}

type Refused = { readonly reason: SecretRefusal; readonly name: string }

/**
 * Gives secrets to whoever holds the lease of the job that names them, and writes down who got
 * which. Values go to the answer and nowhere else.
 */
export class SecretService {
  readonly #parts: SecretServiceParts
  /** Releases by job and epoch. */
  readonly #releases = new Lru<string, Releases>(SECRET_ATTEMPTS_COUNTED_MAX)

  constructor(parts: SecretServiceParts) {
    this.#parts = parts
  }

  /** The handler of PROTOCOLS.secrets: only members get through to it. */
  readonly handle = async (remote: string, body: Uint8Array): Promise<Uint8Array> => {
    const reply = await this.answer(remote, decodeSecretsRequest(body, remote))
    try {
      return encodeSecretsReply(reply)
    } finally {
      if (reply.kind === 'released') erase(reply.secrets)
    }
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
    if (spec.runner !== undefined) return await this.#configured(request, spec)
    if (request.names.includes(SOURCE_ACCESS)) return await this.#source(request, sealed)
    const records = await this.#allowed(remote, request, sealed, spec)
    if ('reason' in records) return records
    if (!this.#mayRelease(`${job} ${epoch}`)) return refused('too_often')
    return await this.#values(records)
  }

  /** Its names are not the repository's: whatever secrets that has, a slot gets none of them. */
  async #configured(
    { job, epoch, names }: SecretsRequest,
    spec: JobSpec
  ): Promise<Refused | readonly ReleasedSecret[]> {
    const own = secretRequestsOf(spec).map(({ name }) => name)
    const goesOn = names.includes(GIVEN_BEFORE)
    const other = names.find((name) => name !== GIVEN_BEFORE && !own.includes(name))
    if (other !== undefined) return refused('unnamed', other)
    if (!this.#mayRelease(`${job} ${epoch}`)) return refused('too_often')
    const secrets = await this.#parts.configure({ job, epoch, spec, goesOn })
    if (secrets === undefined) return refused(goesOn ? 'forgotten' : 'runner', own[0])
    const bytes = secrets.reduce((sum, { value }) => sum + value.length, 0)
    if (bytes <= SECRETS_PER_JOB_BYTES_MAX) return secrets
    erase(secrets)
    return refused('too_large')
  }

  /**
   * Whatever the run is trusted with: its holder lays out the source in any case, and no job sees
   * by what. Rejects where the forge has to be asked again.
   */
  async #source(
    { job, epoch, names }: SecretsRequest,
    { announcement: { manifest } }: SealedAnnouncement
  ): Promise<Refused | readonly ReleasedSecret[]> {
    const other = names.find((name) => name !== SOURCE_ACCESS)
    if (other !== undefined) return refused('unnamed', other)
    if (!this.#mayRelease(`${job} ${epoch}`)) return refused('too_often')
    const { repository: name, url } = manifest
    try {
      const signal = AbortSignal.timeout(SECRETS_REQUEST_MS_MAX)
      const access = await this.#parts.sourceOf({ name, url }, signal)
      if (access === undefined) return refused('unset', SOURCE_ACCESS)
      return [{ name: SOURCE_ACCESS, value: sourceAccessBytes(access) }]
    } catch (error) {
      const facts = { job, epoch, repository: name, code: codeOf(error), cause: causeOf(error) }
      this.#parts.log.warn(facts, 'no access to the source')
      if (error instanceof MeshError && !error.kind.retry)
        return refused('unreadable', SOURCE_ACCESS)
      throw error
    }
  }

  /** Within a time, not for good: an answer that never arrived was one, too. */
  #mayRelease(key: string): boolean {
    const nowMs = this.#parts.clock.monotonicMs()
    const before = this.#releases.get(key)
    const isOver = before === undefined || nowMs - before.sinceMs >= SECRET_RELEASES_EVERY_MS
    const { sinceMs, count } = isOver ? { sinceMs: nowMs, count: 0 } : before
    if (count >= SECRET_RELEASES_MAX) return false
    this.#releases.set(key, { sinceMs, count: count + 1 })
    return true
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
    remote: string,
    { names }: SecretsRequest,
    { announcement: { manifest } }: SealedAnnouncement,
    spec: JobSpec
  ): Promise<Refused | readonly SecretRecord[]> {
    const records = await this.#parts.store.list()
    const allowed: SecretRecord[] = []
    for (const name of new Set(names)) {
      const wanted = secretRequestsOf(spec).filter((each) => each.name === name)
      if (wanted.length === 0) return refused('unnamed', name)
      const record = records.find((each) => {
        return each.repository === manifest.repository && each.name === name
      })
      if (record === undefined) return refused('unset', name)
      // Never a variable, nor for another host: else whoever writes pipelines could send it there.
      if (wanted.some(({ registry }) => record.registry !== registry)) {
        return refused('registry', name)
      }
      const rule =
        imagesGiven(spec, name)
          .map((image) => ruleAgainst(record, manifest, image))
          .find((each) => each !== undefined) ??
        this.#isolationAgainst(record, remote, { trust: manifest.trust, spec })
      if (rule !== undefined) return refused(rule, name)
      allowed.push(record)
    }
    return allowed
  }

  /** By what this job gets there: more, maybe, than whoever asks for none. */
  #isolationAgainst(
    record: SecretRecord,
    peer: string,
    job: IsolationWish
  ): 'isolation' | 'unknown_job' | undefined {
    if (record.isolation === undefined) return undefined
    const offered = this.#parts.isolationOf(peer)
    // It will be heard of within a minute: such an answer is asked for again.
    if (offered === undefined) return 'unknown_job'
    const given = isolationFor(job, offered)
    return given.kind === 'granted' && isKeptApart(record, given.level) ? undefined : 'isolation'
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
        erase(secrets)
        const facts = { name, repository, code: codeOf(error) }
        this.#parts.log.error(facts, 'secret not readable')
        return refused('unreadable', name)
      }
    }
    if (bytes <= SECRETS_PER_JOB_BYTES_MAX) return secrets
    erase(secrets)
    return refused('too_large')
  }
}

function refused(reason: SecretRefusal, name = ''): Refused {
  return { reason, name }
}

function erase(secrets: readonly ReleasedSecret[]): void {
  for (const { value } of secrets) value.fill(0)
}
