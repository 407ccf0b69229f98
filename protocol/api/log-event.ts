import { z } from 'zod'
import { MeshError } from '../core/errors.ts'
import { eventText, type StreamEvent } from './event-stream.ts'
import { jobSchema } from './job-schema.ts'
import { logLineSchema } from './log-line-document.ts'

/** A place in a job's log: lines up to `line` of that attempt are known; 0 for none. */
export interface LogPlace {
  readonly epoch: number
  readonly line: number
}

const attemptSchema = z.object({
  epoch: z.number().int(),
  attempt: z.number().int(),
  attemptsMax: z.number().int(),
  holder: z.string().nullable().describe('name of the agent, or its peer id'),
  before: z
    .object({
      epoch: z.number().int(),
      holder: z.string(),
      end: z.enum(['expired', 'released', 'completed']),
      line: z.number().int().nullable().describe('the last line that was sent of that attempt')
    })
    .nullable()
    .describe('the attempt before it, and how its lease ended')
})

const queuedSchema = z.object({ why: z.string() })

const endSchema = z.object({
  job: jobSchema,
  whole: z.boolean().describe('false: the last lines could not be had')
})

/** What happens to a job that is followed, in order; each line once. */
export type LogEvent =
  | { readonly kind: 'queued'; readonly data: z.output<typeof queuedSchema> }
  | { readonly kind: 'attempt'; readonly data: z.output<typeof attemptSchema> }
  | {
      readonly kind: 'line'
      readonly epoch: number
      readonly data: z.output<typeof logLineSchema>
    }
  | { readonly kind: 'end'; readonly data: z.output<typeof endSchema> }

export type AttemptEvent = Extract<LogEvent, { kind: 'attempt' }>['data']

/** The event as a message of an event stream; its id is the place from which to go on. */
export function logEventText(event: LogEvent): string {
  const { kind } = event
  return eventText({ event: kind, id: idOf(event), data: JSON.stringify(event.data) })
}

/** Undefined for an event that this version does not know. Throws where one it knows is broken. */
export function readLogEvent({ event, id, data }: StreamEvent): LogEvent | undefined {
  switch (event) {
    case 'queued':
      return { kind: event, data: queuedSchema.parse(JSON.parse(data)) }
    case 'attempt':
      return { kind: event, data: attemptSchema.parse(JSON.parse(data)) }
    case 'line':
      return {
        kind: event,
        epoch: parsePlace(id ?? '').epoch,
        data: logLineSchema.parse(JSON.parse(data))
      }
    case 'end':
      return { kind: event, data: endSchema.parse(JSON.parse(data)) }
    default:
      return undefined
  }
}

export function formatPlace({ epoch, line }: LogPlace): string {
  return `${epoch}.${line}`
}

/** Throws REQUEST_INVALID for text that is no place. */
export function parsePlace(text: string): LogPlace {
  const [, epoch, line] = /^([1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,14})$/.exec(text) ?? []
  if (epoch !== undefined && line !== undefined) {
    return { epoch: Number(epoch), line: Number(line) }
  }
  const problem = 'last-event-id: use EPOCH.LINE, as in 2.117'
  throw new MeshError('REQUEST_INVALID', { problem })
}

function idOf(event: LogEvent): string | undefined {
  if (event.kind === 'line') return formatPlace({ epoch: event.epoch, line: event.data.number })
  // From here the attempt's log begins: a resume does not announce it again.
  if (event.kind === 'attempt') return formatPlace({ epoch: event.data.epoch, line: 0 })
  return undefined
}
