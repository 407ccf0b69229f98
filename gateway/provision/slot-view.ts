import { backoffMaxMs } from '../../protocol/core/backoff.ts'
import type { Board } from '../../protocol/core/board.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { isTerminal } from '../../protocol/core/job.ts'
import {
  PROVISION_RETRY_MS_MAX,
  PROVISION_RETRY_MS_MIN,
  PROVISION_TRIES_MAX
} from '../../protocol/core/provision-limits.ts'
import type { LiveSlot, SlotStanding } from '../../protocol/core/slots.ts'
import { isSameRepository } from '../source-event.ts'
import { labelsKey } from './provision.ts'
import type { ProvisionBook } from './provision-book.ts'

const RETRY = { firstMs: PROVISION_RETRY_MS_MIN, maxMs: PROVISION_RETRY_MS_MAX }

/** A slot as this gateway knows it, of whichever gateway it is. */
export interface SeenSlot extends LiveSlot {
  /** `runId.0` */
  readonly id: string
  readonly runId: string
  readonly generation: number
  /** Of its label set. */
  readonly key: string
  readonly standing: SlotStanding
  readonly isEnded: boolean
  /** Its runner had a job when its host was lost: what it would be given next is another's. */
  readonly isSpent: boolean
  /** Its holder was told to end it. */
  readonly isLeaving: boolean
  /** Of the current lease; 0 before the first. */
  readonly epoch: number
  /** Ended without that any job was seen on it. */
  readonly isBarren: boolean
  /** Wall clock at which this gateway learned of its state. */
  readonly changedAtMs: number
  /** Undefined where it is on no board yet. */
  readonly boardJob: BoardJob | undefined
}

export interface SlotViewParts {
  readonly board: Pick<Board, 'job' | 'jobs' | 'run'>
  readonly book: Pick<ProvisionBook, 'attempt'>
}

/** All slots of a repository that the board has. */
export function slotsOf(
  { board, book }: SlotViewParts,
  { name, url }: { readonly name: string; readonly url: string }
): readonly SeenSlot[] {
  return board.jobs({ repository: name, event: 'workflow_job' }).flatMap((job) => {
    const manifest = board.run(job.runId)?.sealed.announcement.manifest
    const { runner } = job.spec
    if (manifest === undefined || runner === undefined) return []
    if (!isSameRepository(manifest.url, url)) return []
    const { number, rerunNonce } = manifest.origin
    const key = labelsKey(runner.labels)
    return [seenSlot(book, job, { job: number, generation: Number(rerunNonce), key })]
  })
}

function seenSlot(
  book: SlotViewParts['book'],
  job: BoardJob,
  named: Pick<SeenSlot, 'job' | 'generation' | 'key'>
): SeenSlot {
  const { state, jobId: id, runId, changedAtMs } = job
  const phase = state?.phase ?? 'queued'
  const attempt = book.attempt(id)
  const epoch = state?.epoch ?? 0
  const tookJob = attempt?.tookJob === true
  const isEnded = hasEnded(job)
  const isHeld = phase === 'leased'
  return {
    ...named,
    id,
    runId,
    epoch,
    standing: isHeld ? (tookJob && attempt.epoch === epoch ? 'busy' : 'held') : 'queued',
    isEnded,
    isSpent: !isEnded && tookJob && (!isHeld || attempt.epoch !== epoch),
    isLeaving: !isEnded && state?.cancel !== undefined,
    isBarren: isEnded && !tookJob && phase !== 'succeeded',
    changedAtMs,
    boardJob: job
  }
}

export function hasEnded({ state }: Pick<BoardJob, 'state'>): boolean {
  const phase = state?.phase ?? 'queued'
  return phase !== 'moved' && isTerminal(phase)
}

/** When a further slot may be started for a job, by those of its name. */
export function readyAtMs(
  slots: readonly SeenSlot[],
  { job, sinceMs }: { readonly job: string; readonly sinceMs: number }
): number {
  const barren = slots.filter((slot) => {
    // By this gateway's own clock alone: another one may have announced it.
    return slot.job === job && slot.isBarren && slot.changedAtMs >= sinceMs
  })
  if (barren.length === 0) return 0
  if (barren.length >= PROVISION_TRIES_MAX) return Number.POSITIVE_INFINITY
  const lastMs = Math.max(...barren.map(({ changedAtMs }) => changedAtMs))
  return lastMs + backoffMaxMs(barren.length - 1, RETRY)
}
