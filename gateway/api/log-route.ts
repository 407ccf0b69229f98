import { Readable } from 'node:stream'
import { logLineDocument } from '../../protocol/api/log-line-document.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { holderOf } from '../../protocol/core/job-filter.ts'
import { LOG_PAGE_LINES_MAX } from '../../protocol/core/limits.ts'
import type { LogLine } from '../../protocol/core/log-line.ts'
import type { LogRead } from '../../protocol/store/job-log.ts'
import type { ApiParts } from './parts.ts'

export type LogFormat = 'text' | 'json'

export const LOG_TYPES: Readonly<Record<LogFormat, string>> = {
  text: 'text/plain; charset=utf-8',
  json: 'application/x-ndjson; charset=utf-8'
}

export interface LogWish {
  readonly from: number
  readonly epoch: number | undefined
  readonly format: LogFormat
}

export interface LogAnswer {
  /** Epoch of the attempt whose log it is; 0 where nothing was logged. */
  readonly epoch: number
  readonly body: Readable
}

/**
 * A job's log as far as it goes now, page by page: a log of 64 MiB is never in memory. Throws
 * LOG_UNAVAILABLE, before the first byte is sent.
 */
export async function readWholeLog(
  parts: ApiParts,
  job: BoardJob,
  wish: LogWish
): Promise<LogAnswer> {
  const first = await readPage(parts, job, wish.epoch, wish.from)
  if (first.kind === 'absent') {
    const logged = job.state?.outcome?.logLines ?? 0
    if (logged > 0 && wish.epoch === undefined) {
      const cause = 'nobody who has it answers'
      throw new MeshError('LOG_UNAVAILABLE', { job: job.jobId, cause })
    }
    return { epoch: 0, body: Readable.from([]) }
  }
  const write = wish.format === 'json' ? jsonLine : textLine
  return { epoch: first.epoch, body: Readable.from(pages(parts, job, first, write)) }
}

async function* pages(
  parts: ApiParts,
  job: BoardJob,
  first: Extract<LogRead, { kind: 'page' }>,
  write: (line: LogLine) => string
): AsyncGenerator<string> {
  let page: LogRead = first
  while (page.kind === 'page' && page.lines.length > 0) {
    yield page.lines.map(write).join('')
    if (page.end) return
    // The epoch of the first page: a new attempt must not go on in the middle of the old one.
    page = await readPage(parts, job, first.epoch, page.next)
  }
}

function readPage(
  parts: ApiParts,
  job: BoardJob,
  epoch: number | undefined,
  fromLine: number
): Promise<LogRead> {
  const gateway = parts.board.run(job.runId)?.sealed.announcement.gateway ?? ''
  const limit = LOG_PAGE_LINES_MAX
  return parts.readLog({ job: job.jobId, epoch, fromLine, limit, holder: holderOf(job), gateway })
}

function textLine(line: LogLine): string {
  return `${line.text}\n`
}

function jsonLine(line: LogLine): string {
  return `${JSON.stringify(logLineDocument(line))}\n`
}
