import type { BoardJob } from '../../protocol/core/board-job.ts'
import {
  holdGpus,
  keepGpus,
  type Ledger,
  ledgerOf,
  release,
  releaseKept,
  reserve
} from '../../protocol/core/capacity.ts'
import { footprintOf, pidsOf } from '../../protocol/core/footprint.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Offer } from '../../protocol/core/requirements.ts'
import type { Manifest } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { LeasedGpu } from '../execute/gpu/leased-gpu.ts'
import type { GpuDevice } from '../probe/gpu/gpu-device.ts'
import { untilGone } from './confirm-gone.ts'
import { gpusFor, leasedGpus, withParents } from './gpu-leases.ts'
import type { Holder } from './holder.ts'
import type { AttemptRunner } from './holder-parts.ts'
import type { Candidate } from './recovery.ts'

export interface RoomParts {
  readonly offer: Offer
  /** The GPUs of this host, as they are now. */
  gpus(): readonly GpuDevice[]
  readonly executor: Pick<AttemptRunner, 'clear'>
  readonly clock: Clock
  readonly log: Log
  /** GPUs came free that no end of a job tells of. */
  onFree(): void
}

/** What this agent's jobs hold of its host, from before each claim to the end of each container. */
export class Room {
  readonly #parts: RoomParts
  #ledger: Ledger
  /** Claims whose containers run on, by their jobs. */
  readonly #expected = new Map<string, string>()

  constructor(parts: RoomParts) {
    this.#parts = parts
    this.#ledger = ledgerOf(parts.offer.capacity)
  }

  get ledger(): Ledger {
    return this.#ledger
  }

  /** For a job whose container runs on: it has its GPUs, whatever this host lists by now. */
  expect({ record, progress, container }: Candidate): void {
    const { register, claimId } = record
    this.#expected.set(register, claimId)
    this.#ledger = reserve(this.#ledger, register, progress.resources).ledger
    this.#ledger = holdGpus(this.#ledger, register, container.gpus ?? [])
  }

  /** Its lease is ours again; by now it is known what its GPUs are parts of. */
  adopt(jobId: string): void {
    this.#expected.delete(jobId)
    const held = withParents(this.#ledger.gpus.get(jobId) ?? [], this.#parts.gpus())
    this.#ledger = holdGpus(this.#ledger, jobId, held)
  }

  /** It is not ours any more: what is left of it is removed by somebody, sooner or later. */
  unexpect(jobId: string, signal: AbortSignal): void {
    const claimId = this.#expected.get(jobId)
    this.#expected.delete(jobId)
    this.giveBack({ jobId, claimId: claimId ?? '', isLeft: claimId !== undefined }, signal)
  }

  /**
   * Room is set aside before the claim: two claims in flight must never share one slot, nor a GPU.
   * Gives the GPUs; undefined where there is no room, or one of them is not to be had.
   */
  reserve(job: BoardJob, { jobs, trust }: Manifest): readonly LeasedGpu[] | undefined {
    const { offer } = this.#parts
    const spec = jobs[job.spec.index] ?? job.spec
    const holds = gpusFor({ spec, trust }, offer, this.#ledger)
    const gpus = holds && leasedGpus(holds, this.#parts.gpus())
    if (gpus === undefined) return undefined
    const wanted = { ...footprintOf(job.spec), pidsMax: pidsOf(job.spec) }
    const reservation = reserve(this.#ledger, job.jobId, wanted, holds)
    if (reservation.kind !== 'reserved') return undefined
    this.#ledger = reservation.ledger
    return gpus
  }

  release(jobId: string): void {
    this.#ledger = release(this.#ledger, jobId)
  }

  /**
   * After the end of an attempt. Its GPUs are not free while its container may be there: another
   * job would get them as well. At `signal` nobody waits any more.
   */
  giveBack({ jobId, claimId, isLeft }: Ended, signal: AbortSignal): void {
    if (!isLeft || !this.#ledger.gpus.has(jobId)) {
      this.release(jobId)
      return
    }
    this.#ledger = keepGpus(this.#ledger, jobId, claimId)
    void untilGone(this.#parts, { jobId, claimId }, signal).then((isGone) => {
      if (!isGone) return
      this.#ledger = releaseKept(this.#ledger, jobId, claimId)
      this.#parts.onFree()
    })
  }
}

type Ended = Pick<Holder, 'jobId' | 'claimId' | 'isLeft'>
