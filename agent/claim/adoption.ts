import { backoffMs } from '../../protocol/core/backoff.ts'
import { causeOf } from '../../protocol/core/errors.ts'
import type { JobState } from '../../protocol/core/job.ts'
import { holdsLease } from '../../protocol/core/lease.ts'
import { adoptionsOf } from '../../protocol/core/lease-timer.ts'
import { decideRecovery, type RegisterSight } from '../../protocol/core/recovery.ts'
import type { GpuDevice } from '../probe/gpu/gpu-device.ts'
import { pause } from './ending.ts'
import { leasedGpus } from './gpu-leases.ts'
import type { WonClaim } from './holder-parts.ts'
import { type Candidate, keptOf, type RecoveryParts, settleRecord } from './recovery.ts'

export interface AdoptionParts extends RecoveryParts {
  /** Goes on with a job whose lease is ours again. */
  adopt(won: WonClaim): void
  /** The GPUs of this host, as they are now. */
  gpus(): readonly GpuDevice[]
  /** The job is nobody's here any more. */
  unexpect(jobId: string): void
}

/**
 * Takes one attempt of the process before this one on, or ends it: asks the job's witnesses until
 * they answer or the container's deadline has come. Resolves once it is one or the other, and never
 * rejects; at `signal` the container is left to its deadline and the record to the next boot.
 */
export async function recoverAttempt(
  parts: AdoptionParts,
  candidate: Candidate,
  signal: AbortSignal
): Promise<void> {
  const { record } = candidate
  const jobId = record.register
  try {
    if ((await new Adoption(parts, candidate).settle(signal)) !== 'ended') return
    await parts.executor.clear(record.claimId)
    await settleRecord(parts, record, signal)
  } catch (error) {
    // An orphan from now on: it is tried again as one.
    parts.log.error({ job: jobId, err: error }, 'attempt not recovered')
  }
  parts.unexpect(jobId)
}

class Adoption {
  readonly #parts: AdoptionParts
  readonly #candidate: Candidate
  /** Start of the first proposal: witnesses may count from then on. */
  #startedAtMs: number | undefined

  constructor(parts: AdoptionParts, candidate: Candidate) {
    this.#parts = parts
    this.#candidate = candidate
  }

  async settle(signal: AbortSignal): Promise<'adopted' | 'ended' | 'left'> {
    const { clock, registers } = this.#parts
    const { record, container } = this.#candidate
    let register: RegisterSight = { kind: 'unread' }
    for (let tries = 0; !signal.aborted; tries++) {
      const sight = { me: registers.peerId, record: keptOf(record), container, register }
      const step = decideRecovery({ ...sight, nowMs: clock.bootMs() })
      if (step.kind === 'end') return 'ended'
      if (step.kind === 'adopt' && register.kind === 'chosen') {
        if (await this.#adopt(register.state)) return 'adopted'
      }
      if (step.kind !== 'read') await this.#rest(tries, signal)
      register = await this.#read()
    }
    return 'left'
  }

  /** Never past the deadline: what comes then must not wait. */
  async #rest(tries: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts
    const leftMs = Math.max(0, (this.#candidate.container.deadlineMs ?? 0) - clock.bootMs())
    await pause(clock, Math.min(leftMs, backoffMs(tries, random.next())), signal)
  }

  async #read(): Promise<RegisterSight> {
    const { registers, log } = this.#parts
    const jobId = this.#candidate.record.register
    try {
      const read = await registers.readJob(jobId)
      return read.kind === 'chosen'
        ? { kind: 'chosen', state: read.state }
        : { kind: 'unreachable' }
    } catch (error) {
      // The run is not known here yet, say: its witnesses tell of it.
      log.debug({ job: jobId, cause: causeOf(error) }, 'job not read yet')
      return { kind: 'unreachable' }
    }
  }

  /** True once the lease is ours, and its container had not come to its deadline before that. */
  async #adopt(state: JobState | undefined): Promise<boolean> {
    const { registers, clock, random, log } = this.#parts
    const { record, progress, container } = this.#candidate
    const { register: jobId, epoch, claimId, told } = record
    // Not read yet, or gone: without one of them nobody can say that the container is what it was.
    const gpus = leasedGpus(container.gpus ?? [], this.#parts.gpus())
    if (gpus === undefined) return false
    const job = registers.board.job(jobId)
    const sealed = job && registers.board.run(job.runId)?.sealed
    if (job === undefined || sealed === undefined || state?.lease === undefined) return false
    const { peerId, boot } = registers
    const number = adoptionsOf(state.lease) + 1
    this.#startedAtMs ??= clock.bootMs()
    const body = { kind: 'adopt', epoch, claimId, boot, number } as const
    const { kind, value } = await registers.changeJob(jobId, random.id(16), body)
    if (value === undefined || kind === 'busy' || kind === 'unresolved') return false
    if (!holdsLease(value, { holder: peerId, claimId, boot })) return false
    // Written now, a deadline would revive nothing: the guard has ended the container.
    if (clock.bootMs() >= (container.deadlineMs ?? 0)) return false
    const startedAtMs = this.#startedAtMs
    log.info({ job: jobId, epoch, adoption: number, step: progress.step + 1 }, 'attempt adopted')
    const { spec } = job
    const found = { gpus, startedAtMs, progress, told }
    this.#parts.adopt({ jobId, spec, sealed, state: value, claimId, ...found })
    return true
  }
}
