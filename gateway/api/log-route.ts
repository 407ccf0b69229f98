import { Readable } from 'node:stream'
import { logLineDocument } from '../../protocol/api/log-line-document.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { causeOf, codeOf, MeshError } from '../../protocol/core/errors.ts'
import { holderOf } from '../../protocol/core/job-filter.ts'
import { LOG_BYTES_MAX, LOG_PAGE_LINES_MAX } from '../../protocol/core/limits.ts'
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
  const place = { job: job.jobId, epoch: wish.epoch, from: wish.from }
  const first = await readPage(parts, job, place)
  if (first.kind === 'absent') {
    const logged = job.state?.outcome?.logLines ?? 0
    if (logged > 0 && wish.epoch === undefined) throw unavailable(place, GONE)
    return { epoch: 0, body: Readable.from([]) }
  }
  const write = wish.format === 'json' ? jsonLine : textLine
  const rest = pages(parts, job, { ...place, epoch: first.epoch, first })
  return { epoch: first.epoch, body: Readable.from(written(rest, write)) }
}

type Page = Extract<LogRead, { kind: 'page' }>

interface Place {
  readonly job: string
  readonly epoch: number | undefined
  readonly from: number
}

const GONE = 'nobody who has it answers'

async function* written(
  rest: AsyncIterable<readonly LogLine[]>,
  write: (line: LogLine) => string
): AsyncGenerator<string> {
  for await (const lines of rest) yield lines.map(write).join('')
}

/**
 * The lines of `first` and of what follows. The status is sent long before a later page can fail:
 * all that can still be done is to cut the connection, so that nobody takes the log for whole.
 */
async function* pages(
  parts: ApiParts,
  job: BoardJob,
  start: Place & { readonly first: Page }
): AsyncGenerator<readonly LogLine[]> {
  // The epoch of the first page: a new attempt must not go on in the middle of the old one.
  let place: Place = start
  let page: LogRead = start.first
  let bytes = 0
  try {
    while (page.kind === 'page' && page.lines.length > 0) {
      bytes += page.lines.reduce((sum, { text }) => sum + Buffer.byteLength(text) + 1, 0)
      // No log is kept that is longer: whoever serves one makes it up as it goes.
      if (bytes > LOG_BYTES_MAX) throw unavailable(place, `it is over ${LOG_BYTES_MAX} bytes`)
      yield page.lines
      if (page.end) return
      place = { ...place, from: page.next }
      page = await readPage(parts, job, place)
    }
    if (page.kind === 'absent') throw unavailable(place, GONE)
  } catch (error) {
    const { job: jobId, epoch, from } = place
    const facts = { job: jobId, epoch, from, code: codeOf(error), cause: causeOf(error) }
    parts.log.warn(facts, 'log not sent to its end')
    throw error
  }
}

/** Throws LOG_UNAVAILABLE for a page that would mix attempts, or be asked for again without end. */
async function readPage(parts: ApiParts, job: BoardJob, place: Place): Promise<LogRead> {
  const { epoch, from: fromLine } = place
  const gateway = parts.board.run(job.runId)?.sealed.announcement.gateway ?? ''
  const limit = LOG_PAGE_LINES_MAX
  const question = { job: job.jobId, epoch, fromLine, limit, holder: holderOf(job), gateway }
  const page = await parts.readLog(question)
  if (page.kind === 'absent') return page
  if (epoch !== undefined && page.epoch !== epoch) {
    throw unavailable(place, `it was answered with another attempt, ${page.epoch}`)
  }
  if (page.lines.length > 0 && page.next <= fromLine) {
    throw unavailable(place, 'the member that has it does not go on')
  }
  return page
}

function unavailable({ job }: Place, cause: string): MeshError {
  return new MeshError('LOG_UNAVAILABLE', { job, cause })
}

function textLine(line: LogLine): string {
  return `${line.text}\n`
}

function jsonLine(line: LogLine): string {
  return `${JSON.stringify(logLineDocument(line))}\n`
}
