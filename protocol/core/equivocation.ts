import type { Accepted } from './messages.ts'
import type { SealedAnnouncement } from './run.ts'

/**
 * Two different things that one member signed where the protocol allows one: two values under one
 * ballot, or two announcements under one number of their gateway.
 */
export type Equivocation =
  | {
      readonly kind: 'proposals'
      /** Who signed both. */
      readonly peer: string
      readonly register: string
      readonly witnessEpoch: number
      readonly first: Accepted
      readonly second: Accepted
    }
  | {
      readonly kind: 'announcements'
      readonly peer: string
      readonly first: SealedAnnouncement
      readonly second: SealedAnnouncement
    }

/** What people are told of one: `subject` is what was signed twice. */
export interface EquivocationSummary {
  readonly kind: Equivocation['kind']
  readonly peer: string
  readonly subject: string
  /** Wall clock, milliseconds. */
  readonly seenAtMs: number
  /** The file that proves it; undefined while it is not on the disk. */
  readonly file: string | undefined
}

/** What was signed twice, in words. */
export function subjectOf(found: Equivocation): string {
  if (found.kind === 'announcements') {
    const { gwSeq, runId } = found.first.announcement
    const other = found.second.announcement.runId
    const runs = other === runId ? `run ${runId}` : `runs ${runId} and ${other}`
    return `two announcements under number ${gwSeq}, of ${runs}`
  }
  const { register, witnessEpoch, first } = found
  return `two values of ${register} under round ${first.ballot.round} of witness epoch ${witnessEpoch}`
}
