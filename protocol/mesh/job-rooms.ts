import { Consequences, type ConsequencesParts } from './board/consequences.ts'
import { JobAccess, type JobAccessParts } from './board/job-access.ts'
import type { JobsGossip } from './board/jobs-gossip.ts'
import { Mover, type MoverParts } from './board/mover.ts'
import { Reannouncer } from './board/reannouncer.ts'
import type { Background } from './bounds/background.ts'

type Own = 'jobs' | 'hint' | 'onMoved'

export interface JobRoomsParts
  extends Omit<JobAccessParts, Own>,
    Omit<MoverParts, Own | 'background'>,
    Omit<ConsequencesParts, Own> {
  readonly background: Background
  readonly jobsGossip: JobsGossip
}

/** Jobs by their ids, what moves them, and what says them again; nothing runs yet. */
export function openJobRooms(parts: JobRoomsParts) {
  const { background, board, jobsGossip } = parts
  const onMoved = (jobId: string): void => {
    background.run('follow', () => jobs.read(jobId))
  }
  const jobs: JobAccess = new JobAccess({ ...parts, onMoved })
  const hint = async (jobId: string): Promise<void> => {
    const job = board.job(jobId)
    if (job === undefined) return
    const { witnessEpoch, state } = job
    await jobsGossip.hint({ register: jobId, witnessEpoch, version: state?.version ?? 0 })
  }
  const mover = new Mover({ ...parts, jobs, hint })
  const announce: JobsGossip['announce'] = (...said) => jobsGossip.announce(...said)
  const firstMs = (): number => parts.everyMs() / 2
  const reannouncer = new Reannouncer({ ...parts, announce, firstMs })
  const consequences = new Consequences({ ...parts, jobs, hint })
  return { jobs, hint, mover, reannouncer, consequences }
}
