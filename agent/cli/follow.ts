import { EVENT_STREAM_TYPE, EventParser } from '../../protocol/api/event-stream.ts'
import {
  type AttemptEvent,
  formatPlace,
  type LogEvent,
  type LogPlace,
  readLogEvent
} from '../../protocol/api/log-event.ts'
import { codeOf, MeshError } from '../../protocol/core/errors.ts'
import { LOG_RESUME_MS_MAX } from '../../protocol/core/follow-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { pause } from '../../protocol/mesh/bounds/pause.ts'

/** Milliseconds between two tries to go on. */
const RESUME_EVERY_MS = 500

/** Opens the event stream of a job; ends without an error when the signal aborts. */
export type OpenStream = (
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal
) => AsyncIterable<string>

export interface FollowParts {
  readonly open: OpenStream
  readonly clock: Clock
  readonly signal: AbortSignal
}

interface Course {
  place: LogPlace | undefined
  /** Boot clock of the first break in a row. */
  brokenSinceMs: number | undefined
  heard: boolean
  cause: unknown
}

/**
 * What happens to a job until it ends, or the signal aborts. A stream that breaks off is opened
 * again where it was, for LOG_RESUME_MS_MAX without any news. Rejects with what it broke off with.
 */
export async function* follow(
  parts: FollowParts,
  start: LogPlace | undefined
): AsyncGenerator<LogEvent, void> {
  const { clock, signal } = parts
  const course: Course = { place: start, brokenSinceMs: undefined, heard: false, cause: undefined }
  while (!signal.aborted) {
    const isOver = yield* untilBroken(parts, course)
    if (isOver || signal.aborted) return
    const nowMs = clock.bootMs()
    course.brokenSinceMs ??= nowMs
    if (nowMs - course.brokenSinceMs >= LOG_RESUME_MS_MAX) throw brokenOff(course.cause)
    await pause(clock, RESUME_EVERY_MS, signal)
  }
}

/** One stream; true after its last event. */
async function* untilBroken(parts: FollowParts, course: Course): AsyncGenerator<LogEvent, boolean> {
  course.cause = undefined
  try {
    for await (const event of eventsOf(parts, course.place)) {
      course.brokenSinceMs = undefined
      course.heard = true
      course.place = placeAfter(event) ?? course.place
      yield event
      if (event.kind === 'end') return true
    }
  } catch (error) {
    // Before anything came it is an answer, no interruption: no such job, or no daemon.
    if (!(parts.signal.aborted || course.heard) && isAnswer(error)) throw error
    course.cause = error
  }
  return false
}

async function* eventsOf(
  { open, signal }: FollowParts,
  place: LogPlace | undefined
): AsyncGenerator<LogEvent, void> {
  const last = place === undefined ? {} : { 'last-event-id': formatPlace(place) }
  const parser = new EventParser()
  for await (const piece of open({ accept: EVENT_STREAM_TYPE, ...last }, signal)) {
    for (const message of parser.push(piece)) {
      const event = readLogEvent(message)
      if (event !== undefined) yield event
    }
  }
}

function placeAfter(event: LogEvent): LogPlace | undefined {
  if (event.kind === 'line') return { epoch: event.epoch, line: event.data.number }
  return event.kind === 'attempt' ? { epoch: event.data.epoch, line: 0 } : undefined
}

function isAnswer(error: unknown): boolean {
  return codeOf(error) !== undefined && codeOf(error) !== 'BUG'
}

function brokenOff(cause: unknown): unknown {
  if (cause !== undefined) return cause
  return new MeshError('STOPPING', { what: 'the agent' })
}

/** `attempt 2 of 3 on basalt: agent-1 was lost at line 7` */
export function attemptLine({ attempt, attemptsMax, holder, before }: AttemptEvent): string {
  const where = holder === null ? '' : ` on ${holder}`
  const head = `attempt ${attempt} of ${attemptsMax}${where}`
  if (before === null) return head
  const how = before.end === 'expired' ? 'was lost' : 'gave it back'
  const line = before.line === null ? '' : ` at line ${before.line}`
  return `${head}: ${before.holder} ${how}${line}`
}
