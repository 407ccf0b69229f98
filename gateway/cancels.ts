import { type CancelVerdict, cancelJob } from '../protocol/api/job-cancel.ts'
import type { BoardJob } from '../protocol/core/board-job.ts'
import type { CancelTerms } from '../protocol/core/job.ts'
import type { Clock, Random } from '../protocol/core/ports.ts'
import type { Member } from '../protocol/mesh/member.ts'

export type Cancel = (job: BoardJob, terms: CancelTerms) => Promise<CancelVerdict>

/** Ends jobs in this gateway's name, whoever asks; rejects as cancelJob does. */
export function cancelsOf(
  member: Pick<Member, 'changeJob' | 'hint' | 'health'>,
  { clock, random }: { readonly clock: Clock; readonly random: Random }
): Cancel {
  return (job, terms) => {
    const parts = {
      clock,
      random,
      changeJob: (...change: Parameters<Member['changeJob']>) => member.changeJob(...change),
      hint: (jobId: string) => member.hint(jobId),
      health: () => member.health()
    }
    return cancelJob(parts, job, terms)
  }
}
