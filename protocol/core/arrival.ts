import { permits } from './guard.ts'
import type { JobState } from './job.ts'
import { heldJob, remainingMs } from './lease-timer.ts'
import type { RegisterValue } from './messages.ts'
import { landingOf } from './move.ts'
import type { Digest } from './ports.ts'

/** A job that is known to have come to a register: what it begins with there, and since when. */
export interface Arrival {
  readonly landing: JobState
  /** Boot clock when this witness learned it: from then on it waits for the lease in it. */
  readonly provenAtMs: number
}

/**
 * Where the stop-sign that is chosen under one witness epoch leads a register of `witnessEpoch`: to
 * this very register with its landing, to one before it, which is read next, or not here.
 */
export type Lead =
  | { readonly kind: 'here'; readonly landing: JobState }
  | { readonly kind: 'next'; readonly witnessEpoch: number }
  | { readonly kind: 'none' }

export function leadOf(chosen: RegisterValue | undefined, witnessEpoch: number): Lead {
  const job = chosen?.kind === 'job' ? chosen : undefined
  const landing = job === undefined ? undefined : landingOf(job)
  if (job?.moved === undefined || landing === undefined) return { kind: 'none' }
  const target = job.moved.witnessEpoch
  if (target === witnessEpoch) return { kind: 'here', landing }
  return target < witnessEpoch ? { kind: 'next', witnessEpoch: target } : { kind: 'none' }
}

/**
 * Why `value` must not be the first one of a job at a witness where it arrived, as if the landing
 * had come first: its lease is alive somewhere, and this witness is late.
 */
export function arrivalProblem(
  { landing, provenAtMs }: Arrival,
  value: RegisterValue,
  nowMs: number,
  digest: Digest
): { readonly kind: 'another' } | { readonly kind: 'alive'; readonly leftMs: number } | undefined {
  if (digest.hash(landing) === digest.hash(value)) return
  if (!(value.version > landing.version)) return { kind: 'another' }
  const timer = { renewedAtMs: provenAtMs, fenced: false, stage: undefined }
  const leftMs = remainingMs(landing, timer, nowMs)
  const confirmed = heldJob(landing) !== undefined
  if (permits(landing, value, { leftMs, confirmed, confirmedBoot: confirmed })) return
  return { kind: 'alive', leftMs }
}
