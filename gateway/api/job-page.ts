import { jobContext, jobDocument } from '../../protocol/api/job-document.ts'
import { jobFilterOf } from '../../protocol/api/job-query.ts'
import type { JobDocument } from '../../protocol/api/job-schema.ts'
import type { Sources } from '../../protocol/api/sources.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { type JobCursor, parseCursor } from '../../protocol/core/job-filter.ts'
import type { JobQuery } from './schemas.ts'

export interface JobPage {
  readonly jobs: JobDocument[]
  /** Cursor of the next page; null on the last one. */
  readonly next: string | null
}

/** One page, newest run first. Throws REQUEST_INVALID for a cursor that is none. */
export function jobPage(sources: Sources, query: JobQuery): JobPage {
  const filter = jobFilterOf(query, sources.roster())
  const { jobs, next } = sources.board.page(filter, cursorOf(query.cursor), query.limit)
  const context = jobContext(sources)
  return { jobs: jobs.map((job) => jobDocument(job, context)), next: next ?? null }
}

function cursorOf(text: string | undefined): JobCursor | undefined {
  if (text === undefined) return undefined
  const cursor = parseCursor(text)
  if (cursor === undefined) {
    throw new MeshError('REQUEST_INVALID', { problem: 'cursor is no cursor' })
  }
  return cursor
}
