import { type Arrival, arrivalProblem, leadOf } from '../../core/arrival.ts'
import type { JobState } from '../../core/job.ts'
import { MEMBERS_MAX } from '../../core/limits.ts'
import type { RegisterReply, RegisterScope, RegisterValue } from '../../core/messages.ts'
import { isLanding } from '../../core/move.ts'
import type { Clock, Digest } from '../../core/ports.ts'
import {
  MOVE_HOPS_MAX,
  MOVE_PROOFS_BURST,
  MOVE_PROOFS_PER_MIN_MAX,
  PROVEN_MOVES_MAX
} from '../../core/roster-limits.ts'
import { Lru } from '../bounds/lru.ts'
import { SharedFlights } from '../bounds/shared-flights.ts'
import { WorkMeter } from '../bounds/work-meter.ts'
import type { ReadOptions, ReadResult, RegisterClient } from '../registers/register-client.ts'
import { refusal } from './witness-refusal.ts'

export interface MoveProofsParts {
  readonly client: Pick<RegisterClient, 'read'>
  readonly clock: Clock
  readonly digest: Digest
}

/** How a job came here; `begun` where a quorum holds it already, `none` where it did not come. */
type Found = Arrival | 'begun' | 'none' | undefined

/** A first value that a member wants accepted, and the epoch of its announcement. */
export interface MoveQuestion {
  readonly scope: RegisterScope
  readonly value: RegisterValue
  readonly fromEpoch: number
  /** The member that pays for the proof. */
  readonly asker: string
}

const PROOFS = {
  unitsPerS: MOVE_PROOFS_PER_MIN_MAX / 60,
  burstUnits: MOVE_PROOFS_BURST,
  peersMax: MEMBERS_MAX
}

/**
 * Whether a job has come to a register by a chosen stop-sign: a witness asks before it accepts the
 * first value there. Without this any member could make up a landing, and the job would live twice;
 * or end, at witnesses that have not heard of it yet, a lease that is alive elsewhere.
 *
 * What a proof costs is charged to us by those who are asked, so that it is charged to its asker
 * first: a member that makes up landings would else have this witness refused as `overload`.
 */
export class MoveProofs {
  readonly #parts: MoveProofsParts
  readonly #meter: WorkMeter
  readonly #flights = new SharedFlights<Found>()
  readonly #arrivals = new Lru<string, Arrival>(PROVEN_MOVES_MAX)
  readonly #testimonies = new Lru<string, Arrival>(PROVEN_MOVES_MAX)

  constructor(parts: MoveProofsParts) {
    this.#parts = parts
    this.#meter = new WorkMeter(parts.clock, PROOFS)
  }

  /**
   * Why `value` must not be the first one here; undefined when it may. Rejects with STOPPING.
   */
  async problem(question: MoveQuestion): Promise<RegisterReply | undefined> {
    const { scope, value } = question
    const { clock, digest } = this.#parts
    const known = isLanding(value) ? this.#arrivals.get(nameOf(scope)) : undefined
    const seen = known ?? (await this.#found(question))
    if (seen === 'begun') return
    if (seen === 'overload') return refusal('overload', 'too many moves to ask about')
    if (seen === 'none') return refusal('invalid', 'the job did not move here')
    // Those who could tell do not answer: to be asked again.
    if (seen === undefined) return refusal('wrong_roster', 'its move here is not known yet')
    const found = arrivalProblem(seen, value, clock.bootMs(), digest)
    if (found === undefined) return
    if (found.kind === 'another') return refusal('invalid', 'another landing')
    return {
      kind: 'rejected',
      code: 'lease_alive',
      promised: undefined,
      remainingMs: found.leftMs,
      detail: 'its lease came along, and is alive'
    }
  }

  async #found(question: MoveQuestion): Promise<Found | 'overload'> {
    const flights = this.#flights
    const name = questionOf(question)
    const seek = () => this.#seek(question)
    if (flights.has(name)) {
      const seen = await flights.join(name, undefined, seek)
      // A no of reads that began before this was asked is none: the job may have moved since, and
      // whoever keeps asking about a landing of its own would keep the real one out.
      if (seen !== undefined && seen !== 'none') return seen
    }
    if (!flights.has(name) && !this.#meter.take(question.asker, 1)) return 'overload'
    return await flights.join(name, undefined, seek)
  }

  async #seek({ scope, value, fromEpoch }: MoveQuestion): Promise<Found> {
    const here = isLanding(value) ? undefined : await this.#read(scope, scope.witnessEpoch)
    // A quorum that holds anything at all here has asked before, when the first of it came.
    if (here !== undefined && jobIn(here)) return 'begun'
    const arrival = await this.#arrival(scope, fromEpoch)
    return arrival === 'unknown' ? await this.#testified(scope, value.annHash, here) : arrival
  }

  /**
   * By the word of a single other witness of this register: it asked before it took what it holds.
   * Without it a job that a bare quorum has would be stuck once its old majority is gone, and one
   * of that quorum. What it shows counts as the landing, and its lease as alive from now on.
   */
  async #testified(
    scope: RegisterScope,
    annHash: string,
    here: ReadResult | undefined
  ): Promise<Arrival | undefined> {
    const read = here ?? (await this.#read(scope, scope.witnessEpoch))
    const landing = read.kind === 'unsettled' ? asJob(read.base) : jobIn(read)
    // Of another announcement of this run it has asked nothing.
    if (landing === undefined || landing.annHash !== annHash) return
    const { clock, digest } = this.#parts
    // By what was shown: a later word must neither count from an earlier one nor start it anew.
    const name = `${nameOf(scope)} ${digest.hash(landing)}`
    const arrival = this.#testimonies.get(name) ?? { landing, provenAtMs: clock.bootMs() }
    this.#testimonies.set(name, arrival)
    return arrival
  }

  async #arrival(scope: RegisterScope, fromEpoch: number): Promise<Arrival | 'none' | 'unknown'> {
    const name = nameOf(scope)
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
      const read = await this.#read(scope, epoch, 'write')
      const lead = leadOf(jobIn(read), scope.witnessEpoch)
      if (lead.kind === 'none') return read.kind === 'chosen' ? 'none' : undefined
      if (lead.kind === 'here') return lead.landing
      epoch = lead.witnessEpoch
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
      const read = await this.#read(scope, epoch, 'write')
      const lead = leadOf(jobIn(read), scope.witnessEpoch)
      if (lead.kind === 'here') return lead.landing
    }
    return 'unknown'
  }

  // A stop-sign that one witness lacks and another has lost is to be written back: every board
  // shows the job where it leads, so that nobody else would look at the register that it left.
  async #read(
    { register, ann }: RegisterScope,
    witnessEpoch: number,
    settle: ReadOptions['settle'] = 'never'
  ): Promise<ReadResult> {
    return await this.#parts.client.read({ register, witnessEpoch, ann }, { settle })
  }
}

function jobIn(read: ReadResult): JobState | undefined {
  return read.kind === 'chosen' ? asJob(read.value) : undefined
}

function asJob(value: RegisterValue | undefined): JobState | undefined {
  return value?.kind === 'job' ? value : undefined
}

/** All that the answer depends on, what is sent with the reads too: a floor may say no to that. */
function questionOf({ scope, value }: MoveQuestion): string {
  const { ann } = scope
  const kind = isLanding(value) ? 'landing' : 'later'
  const named = `${ann?.gateway} ${ann?.gwSeq} ${ann?.annHash}`
  return `${nameOf(scope)} ${named} ${value.annHash} ${kind}`
}

function nameOf({ register, witnessEpoch }: RegisterScope): string {
  return `${register}@${witnessEpoch}`
}
