import {
  FRAME_BYTES_MAX,
  LOG_CHUNK_LINES_MAX,
  LOG_LINE_BYTES_MAX,
  LOG_PAGE_LINES_MAX,
  STEPS_PER_JOB_MAX
} from '../core/limits.ts'
import type { LogLine, LogStream } from '../core/log-line.ts'
import { loose, messageCodec } from './codec.ts'
import { count, jobId, list, need, optional, refuse, textBytes } from './fields.ts'
import * as wire from './generated/log.ts'
import { names } from './names.ts'

export type LogRequest =
  | {
      readonly kind: 'push'
      readonly job: string
      readonly epoch: number
      /** Number of the first of `lines`, from 1; where there are none, of the line to come. */
      readonly firstLine: number
      /** Without gaps; at most LOG_CHUNK_LINES_MAX. */
      readonly lines: readonly LogLine[]
      /** Nothing comes after these. */
      readonly end: boolean
    }
  | {
      readonly kind: 'read'
      readonly job: string
      /** Undefined asks for the highest there is. */
      readonly epoch: number | undefined
      readonly fromLine: number
      /** Lines, at most LOG_PAGE_LINES_MAX. */
      readonly limit: number
    }

export type LogReply =
  | { readonly kind: 'acked'; readonly nextLine: number }
  | {
      readonly kind: 'refused'
      readonly code: 'stale_epoch' | 'unknown_job' | 'gap' | 'not_allowed' | 'full'
      readonly nextLine: number
    }
  | {
      readonly kind: 'page'
      readonly epoch: number
      readonly lines: readonly LogLine[]
      readonly next: number
      readonly end: boolean
    }
  | { readonly kind: 'absent' }

const streams = names<LogStream, wire.LogStream>('stream', {
  out: wire.LogStream.LOG_STREAM_OUT,
  err: wire.LogStream.LOG_STREAM_ERR,
  mesh: wire.LogStream.LOG_STREAM_MESH
})

const refusals = names<Extract<LogReply, { kind: 'refused' }>['code'], wire.LogRefusal>('code', {
  stale_epoch: wire.LogRefusal.LOG_REFUSAL_STALE_EPOCH,
  unknown_job: wire.LogRefusal.LOG_REFUSAL_UNKNOWN_JOB,
  gap: wire.LogRefusal.LOG_REFUSAL_GAP,
  not_allowed: wire.LogRefusal.LOG_REFUSAL_NOT_ALLOWED,
  full: wire.LogRefusal.LOG_REFUSAL_FULL
})

const requests = messageCodec<LogRequest, wire.LogRequest>({
  what: 'log request',
  generated: wire.LogRequest,
  limits: { push: { lines: LOG_CHUNK_LINES_MAX } },
  bytesMax: FRAME_BYTES_MAX,
  toWire: (request) =>
    request.kind === 'push' ? { push: pushToWire(request) } : { read: readToWire(request) },
  fromWire: ({ push, read }) =>
    push === undefined ? readFromWire(need(read, 'request')) : pushFromWire(push)
})

const replies = messageCodec<LogReply, wire.LogReply>({
  what: 'log reply',
  generated: wire.LogReply,
  limits: { page: { lines: LOG_PAGE_LINES_MAX } },
  bytesMax: FRAME_BYTES_MAX,
  toWire: replyToWire,
  fromWire: replyFromWire
})

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE, as all of these do. */
export function encodeLogRequest(request: LogRequest): Uint8Array {
  return requests.encode(request)
}

export function decodeLogRequest(bytes: Uint8Array, from?: string): LogRequest {
  return requests.decode(bytes, from)
}

export function encodeLogReply(reply: LogReply): Uint8Array {
  return replies.encode(reply)
}

export function decodeLogReply(bytes: Uint8Array, from?: string): LogReply {
  return replies.decode(bytes, from)
}

type Push = Extract<LogRequest, { readonly kind: 'push' }>
type Read = Extract<LogRequest, { readonly kind: 'read' }>

function pushToWire(push: Push): wire.LogPush {
  checkNumbers(push.lines, push.firstLine)
  return {
    job: jobId(push.job),
    epoch: epoch(push.epoch),
    firstLine: lineNumber(push.firstLine),
    lines: list(push.lines, LOG_CHUNK_LINES_MAX, 'lines', lineToWire),
    end: push.end
  }
}

function pushFromWire(message: wire.LogPush): Push {
  const lines = list(message.lines, LOG_CHUNK_LINES_MAX, 'lines', lineFromWire)
  const firstLine = lineNumber(message.firstLine)
  checkNumbers(lines, firstLine)
  const job = jobId(message.job)
  return { kind: 'push', job, epoch: epoch(message.epoch), firstLine, lines, end: message.end }
}

// The receiver appends by number: a hole inside a push would be acknowledged as written.
function checkNumbers(lines: readonly LogLine[], firstLine: number): void {
  const broken = lines.findIndex((line, index) => line.number !== firstLine + index)
  if (broken >= 0) refuse('lines', `are not numbered from ${firstLine} on`)
}

function readToWire(read: Read): wire.LogRead {
  return loose<wire.LogRead>({
    job: jobId(read.job),
    epoch: optional(read.epoch, epoch),
    fromLine: lineNumber(read.fromLine),
    limit: count(read.limit, 'limit', LOG_PAGE_LINES_MAX, 1)
  })
}

function readFromWire(message: wire.LogRead): Read {
  return {
    kind: 'read',
    job: jobId(message.job),
    epoch: optional(message.epoch, epoch),
    fromLine: lineNumber(message.fromLine),
    limit: count(message.limit, 'limit', LOG_PAGE_LINES_MAX, 1)
  }
}

function replyToWire(reply: LogReply): wire.LogReply {
  switch (reply.kind) {
    case 'acked':
      return { acked: { nextLine: lineNumber(reply.nextLine) } }
    case 'refused': {
      const nextLine = count(reply.nextLine, 'nextLine')
      return { refused: { code: refusals.toWire(reply.code), nextLine } }
    }
    case 'page': {
      const lines = list(reply.lines, LOG_PAGE_LINES_MAX, 'lines', lineToWire)
      const next = count(reply.next, 'next')
      return { page: { epoch: count(reply.epoch, 'epoch'), lines, next, end: reply.end } }
    }
    default:
      return { absent: true }
  }
}

function replyFromWire({ acked, refused, page, absent }: wire.LogReply): LogReply {
  if (acked !== undefined) return { kind: 'acked', nextLine: lineNumber(acked.nextLine) }
  if (refused !== undefined) {
    const nextLine = count(refused.nextLine, 'nextLine')
    return { kind: 'refused', code: refusals.fromWire(refused.code), nextLine }
  }
  if (page !== undefined) {
    const lines = list(page.lines, LOG_PAGE_LINES_MAX, 'lines', lineFromWire)
    const next = count(page.next, 'next')
    return { kind: 'page', epoch: count(page.epoch, 'epoch'), lines, next, end: page.end }
  }
  need(absent, 'reply')
  return { kind: 'absent' }
}

function lineToWire(line: LogLine): wire.LogLine {
  return { ...lineParts(line), stream: streams.toWire(line.stream) }
}

function lineFromWire(message: wire.LogLine): LogLine {
  return { ...lineParts(message), stream: streams.fromWire(message.stream) }
}

type LineParts = Omit<LogLine, 'stream'>

function lineParts(line: LineParts): LineParts {
  return {
    number: lineNumber(line.number),
    atMs: count(line.atMs, 'atMs'),
    step: count(line.step, 'step', STEPS_PER_JOB_MAX),
    text: textBytes(line.text, LOG_LINE_BYTES_MAX, 'text')
  }
}

function epoch(value: number): number {
  return count(value, 'epoch', Number.MAX_SAFE_INTEGER, 1)
}

function lineNumber(value: number): number {
  return count(value, 'line', Number.MAX_SAFE_INTEGER, 1)
}
