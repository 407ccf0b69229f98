import type { BoardJob } from '../../protocol/core/board-job.ts'
import { codeOf } from '../../protocol/core/errors.ts'
import { PAGE_LOG_LINES_MAX } from '../../protocol/core/follow-limits.ts'
import { holderOf } from '../../protocol/core/job-filter.ts'
import { LOG_BYTES_MAX } from '../../protocol/core/limits.ts'
import type { LogLine } from '../../protocol/core/log-line.ts'
import type { LogRead } from '../../protocol/store/job-log.ts'
import type { ApiParts } from '../api/parts.ts'

export type LogTail =
  | { readonly kind: 'lines'; readonly epoch: number; readonly lines: readonly LogLine[] }
  | { readonly kind: 'absent'; readonly problem: string }

type Ask = (epoch: number | undefined, fromLine: number, limit: number) => Promise<LogRead>

/** The last lines of the newest attempt's log, PAGE_LOG_LINES_MAX at most. */
export async function logTail(
  api: Pick<ApiParts, 'readLog' | 'board'>,
  job: BoardJob
): Promise<LogTail> {
  const gateway = api.board.run(job.runId)?.sealed.announcement.gateway ?? ''
  const of = { job: job.jobId, holder: holderOf(job), gateway }
  const ask: Ask = (epoch, fromLine, limit) => api.readLog({ ...of, epoch, fromLine, limit })
  try {
    return await read(ask)
  } catch (error) {
    if (codeOf(error) !== 'LOG_UNAVAILABLE') throw error
    return { kind: 'absent', problem: 'Nobody who has the log answers.' }
  }
}

async function read(ask: Ask): Promise<LogTail> {
  const first = await ask(undefined, 1, 1)
  if (first.kind === 'absent') return { kind: 'absent', problem: 'Nothing is logged.' }
  const { epoch } = first
  const from = await lastPage(async (line) => {
    const page = await ask(epoch, line, 1)
    return page.kind === 'page' && page.lines.length > 0
  })
  const lines: LogLine[] = []
  for (let at = from; lines.length < 2 * PAGE_LOG_LINES_MAX; at = lines.at(-1)?.number ?? at) {
    const page = await ask(epoch, at + (lines.length === 0 ? 0 : 1), PAGE_LOG_LINES_MAX)
    if (page.kind === 'absent' || page.lines.length === 0) break
    lines.push(...page.lines)
  }
  return { kind: 'lines', epoch, lines: lines.slice(-PAGE_LOG_LINES_MAX) }
}

/**
 * A line from which on there are the last PAGE_LOG_LINES_MAX, and less than as many more: found by
 * halving, one line a look, since a log of 64 MiB is not to be read through for each page.
 */
async function lastPage(has: (line: number) => Promise<boolean>): Promise<number> {
  let [there, absent] = [0, 2 * PAGE_LOG_LINES_MAX]
  // No log has more lines than bytes.
  while (absent < LOG_BYTES_MAX && (await has(absent))) [there, absent] = [absent, 2 * absent]
  while (absent - there > PAGE_LOG_LINES_MAX) {
    const middle = Math.floor((there + absent) / 2)
    if (await has(middle)) there = middle
    else absent = middle
  }
  return Math.max(1, there - PAGE_LOG_LINES_MAX + 1)
}
