import { jobContext, jobDocument } from '../../protocol/api/job-document.ts'
import { logLineDocument } from '../../protocol/api/log-line-document.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { holderOf } from '../../protocol/core/job-filter.ts'
import type { LogView } from './contract.ts'
import type { ControlParts } from './parts.ts'

export interface LogWish {
  readonly epoch: number | undefined
  readonly from: number
  readonly limit: number
}

/** One page of a job's log, wherever it is kept; an empty page where nothing was logged yet. */
export async function logView(job: BoardJob, wish: LogWish, parts: ControlParts): Promise<LogView> {
  const gateway = parts.board.run(job.runId)?.sealed.announcement.gateway ?? ''
  const answer = await parts.readLog({
    job: job.jobId,
    epoch: wish.epoch,
    fromLine: wish.from,
    limit: wish.limit,
    holder: holderOf(job),
    gateway
  })
  const { page } = answer
  const view = jobDocument(job, jobContext(parts))
  if (page.kind === 'absent') {
    const epoch = wish.epoch ?? view.epoch
    return {
      schema: 'agent.log/1',
      job: view,
      epoch,
      from: 'none',
      lines: [],
      next: wish.from,
      end: false
    }
  }
  return {
    schema: 'agent.log/1',
    job: view,
    epoch: page.epoch,
    from: answer.from,
    lines: page.lines.map(logLineDocument),
    next: page.next,
    end: page.end
  }
}
