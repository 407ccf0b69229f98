import { permits } from '../core/guard.ts'
import type { JobState } from '../core/job.ts'
import { heldJob, remainingMs } from '../core/lease-timer.ts'
import type { RegisterReply, RegisterScope, RegisterValue } from '../core/messages.ts'
import { isLanding, landingOf } from '../core/move.ts'
import type { Clock, Digest } from '../core/ports.ts'
import { MOVE_HOPS_MAX, PROVEN_MOVES_MAX } from '../core/roster-limits.ts'
import { Lru } from './lru.ts'
import type { ReadResult, RegisterClient } from './register-client.ts'
import { refusal } from './witness-refusal.ts'

export interface MoveProofsParts {
  readonly client: Pick<RegisterClient, 'read'>
  readonly clock: Clock
  readonly digest: Digest
}

/** A job that is known to have come to a register: what it begins with there, and since when. */
interface Arrival {
  readonly landing: JobState
  /** Boot clock when this witness learned it: from then on it waits for the lease in it. */
  readonly provenAtMs: number
}

/**
 * Whether a job has come to a register by a chosen stop-sign: a witness asks before it accepts the
 * first value there. Without this any member could make up a landing, and the job would live twice;
 * or end, at witnesses that have not heard of it yet, a lease that is alive elsewhere.
 */
export class MoveProofs {
  readonly #parts: MoveProofsParts
  readonly #arrivals = new Lru<string, Arrival>(PROVEN_MOVES_MAX)

  constructor(parts: MoveProofsParts) {
    this.#parts = parts
  }

  /**
   * Why `value` must not be the first one here; undefined when it may. `fromEpoch` is that of its
   * announcement. Rejects with STOPPING.
   */
  async problem(
    scope: RegisterScope,
    value: RegisterValue,
    fromEpoch: number
  ): Promise<RegisterReply | undefined> {
    // A quorum that holds anything at all here has asked before, when the first of it came.
    if (!isLanding(value) && jobIn(await this.#read(scope, scope.witnessEpoch))) return
    const arrival = await this.#arrival(scope, fromEpoch)
    if (arrival === 'none') return refusal('invalid', 'the job did not move here')
    // Those who could tell do not answer: to be asked again.
    if (arrival === 'unknown') return refusal('wrong_roster', 'its move here is not known yet')
    const { landing } = arrival
    const { digest } = this.#parts
    const isSame = digest.hash(landing) === digest.hash(value)
    if (isSame) return
    const isLater = value.version > landing.version
    return isLater ? this.#guard(arrival, value) : refusal('invalid', 'another landing')
  }

  /** As if the landing had come first: its lease is alive somewhere, and this witness is late. */
  #guard({ landing, provenAtMs }: Arrival, value: RegisterValue): RegisterReply | undefined {
    const timer = { renewedAtMs: provenAtMs, fenced: false, stage: undefined }
    const leftMs = remainingMs(landing, timer, this.#parts.clock.bootMs())
    const confirmed = heldJob(landing) !== undefined
    if (permits(landing, value, { leftMs, confirmed, confirmedBoot: confirmed })) return
    const detail = 'its lease came along, and is alive'
    return {
      kind: 'rejected',
      code: 'lease_alive',
      promised: undefined,
      remainingMs: leftMs,
      detail
    }
  }

  async #arrival(scope: RegisterScope, fromEpoch: number): Promise<Arrival | 'none' | 'unknown'> {
    const name = `${scope.register}@${scope.witnessEpoch}`
    const known = this.#arrivals.get(name)
    if (known !== undefined) return known
    const found = (await this.#follow(scope, fromEpoch)) ?? (await this.#search(scope, fromEpoch))
    if (typeof found === 'string') return found
    const arrival = { landing: found, provenAtMs: this.#parts.clock.bootMs() }
    this.#arrivals.set(name, arrival)
    return arrival
  }

  /** From stop-sign to stop-sign; undefined where one of them cannot be read. */
  async #follow(scope: RegisterScope, fromEpoch: number): Promise<JobState | 'none' | undefined> {
    let epoch = fromEpoch
    for (let hop = 0; hop < MOVE_HOPS_MAX; hop += 1) {
      const read = await this.#read(scope, epoch)
      const job = jobIn(read)
      if (job?.moved === undefined) return read.kind === 'chosen' ? 'none' : undefined
      epoch = job.moved.witnessEpoch
      if (epoch === scope.witnessEpoch) return landingOf(job)
      if (epoch > scope.witnessEpoch) return 'none'
    }
    return undefined
  }

  /**
   * The stop-sign that leads here, wherever it is: the witnesses of the first one may be gone by
   * now, and those in between asked the same before they took the job.
   */
  async #search(scope: RegisterScope, fromEpoch: number): Promise<JobState | 'unknown'> {
    const least = Math.max(fromEpoch, scope.witnessEpoch - MOVE_HOPS_MAX)
    for (let epoch = scope.witnessEpoch - 1; epoch > least; epoch -= 1) {
      const job = jobIn(await this.#read(scope, epoch))
      if (job?.moved?.witnessEpoch === scope.witnessEpoch) return landingOf(job) ?? 'unknown'
    }
    return 'unknown'
  }

  async #read({ register, ann }: RegisterScope, witnessEpoch: number): Promise<ReadResult> {
    return await this.#parts.client.read({ register, witnessEpoch, ann }, { settle: 'never' })
  }
}

function jobIn(read: ReadResult): JobState | undefined {
  return read.kind === 'chosen' && read.value?.kind === 'job' ? read.value : undefined
}
