import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import type { LogRead } from '../../protocol/store/job-log.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'
import type { LogSend } from './feed.ts'

export type LogSource = 'spool' | 'holder' | 'gateway' | 'none'

export interface LogQuestion {
  readonly job: string
  readonly epoch: number | undefined
  readonly fromLine: number
  readonly limit: number
  /** Peer ids; undefined where there is none. */
  readonly holder: string | undefined
  readonly gateway: string
}

export interface LogAnswer {
  readonly from: LogSource
  readonly page: LogRead
}

/**
 * A page of a log from the nearest place that has it: our own spool, else the holder, else the
 * gateway (decision 10). Throws LOG_UNAVAILABLE where someone who may have it cannot be reached.
 */
export async function readLog(
  parts: { readonly spool: LogStore; readonly send: LogSend; readonly self: string },
  question: LogQuestion
): Promise<LogAnswer> {
  const { job, epoch, fromLine, limit } = question
  const own = await parts.spool.read(job, epoch, fromLine, limit)
  if (own.kind === 'page' && (question.holder === parts.self || own.end)) {
    return { from: 'spool', page: own }
  }
  const others = [
    { from: 'holder', peer: question.holder },
    { from: 'gateway', peer: question.gateway }
  ] as const
  let cause = ''
  for (const { from, peer } of others) {
    if (peer === undefined || peer === parts.self) continue
    try {
      const reply = await parts.send(peer, { kind: 'read', job, epoch, fromLine, limit })
      if (reply.kind === 'page') return { from, page: reply }
    } catch (error) {
      cause = causeOf(error)
    }
  }
  if (own.kind === 'page') return { from: 'spool', page: own }
  if (cause !== '') throw new MeshError('LOG_UNAVAILABLE', { job, cause })
  return { from: 'none', page: { kind: 'absent' } }
}
