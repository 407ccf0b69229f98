import { z } from 'zod'
import type { JobFilter } from '../core/job-filter.ts'
import { PAGE_ROWS_MAX } from '../core/limits.ts'
import type { SealedRoster } from '../core/roster.ts'
import { RUN_EVENTS } from '../core/run-event.ts'
import { jobStateSchema } from './job-schema.ts'
import { peerIdOf } from './member-names.ts'

/* What may be asked about jobs, the same on both sides; each adds what it alone can answer. */

/** Rows of a page where nobody says how many. */
const PAGE_ROWS_DEFAULT = 50

/** A number in a query string. */
export function count(min: number, max: number, fallback: number) {
  return z.coerce.number().int().min(min).max(max).default(fallback)
}

export const rowsSchema = count(1, PAGE_ROWS_MAX, PAGE_ROWS_DEFAULT)

export const textSchema = z.string().min(1).max(1_024)

/** A job or run in a path, by its full or short id. */
export const idSchema = z.strictObject({ id: z.string().min(1).max(128) })

/** `?state=queued,running` or `?state=queued&state=running`. */
export const wordsSchema = z
  .union([z.string(), z.array(z.string()).max(16)])
  .transform((value) => [value].flat().flatMap((text) => text.split(',')))

export const eventSchema = z.enum(RUN_EVENTS)

export const jobFilterShape = {
  state: wordsSchema
    .pipe(z.array(jobStateSchema).min(1))
    .optional()
    .describe('one or several, with commas'),
  repository: textSchema.optional(),
  ref: textSchema.optional().describe('refs/heads/main or main'),
  event: eventSchema.optional().describe('what started its run'),
  holder: textSchema.optional().describe('name or peer id of an agent'),
  run: textSchema.optional().describe('full run id'),
  since: z.iso.datetime({ offset: true }).optional()
}

/** Where in which log to begin. */
export const logStartShape = {
  from: count(1, Number.MAX_SAFE_INTEGER, 1).describe('first line'),
  epoch: z.coerce.number().int().min(1).optional().describe('the latest when absent')
}

export type JobFilterQuery = z.output<z.ZodObject<typeof jobFilterShape>>

export function jobFilterOf(query: JobFilterQuery, sealed: SealedRoster | undefined): JobFilter {
  return {
    states: query.state,
    repository: query.repository,
    ref: query.ref,
    event: query.event,
    runId: query.run,
    sinceMs: query.since === undefined ? undefined : Date.parse(query.since),
    holder: query.holder === undefined ? undefined : peerIdOf(query.holder, sealed)
  }
}
