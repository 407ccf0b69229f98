import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import type { LogRead } from '../../protocol/store/job-log.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'
import type { LogReply, LogRequest } from '../../protocol/wire/log-codec.ts'

export interface LogQuestion {
  readonly job: string
  readonly epoch: number | undefined
  readonly fromLine: number
  readonly limit: number
  /** Peer ids; undefined where there is none. */
  readonly holder: string | undefined
  readonly gateway: string
}

export interface LogReaderParts {
  readonly store: Pick<LogStore, 'read'>
  /** Asks one member; rejects where it cannot be reached. */
  readonly send: (peer: string, request: LogRequest) => Promise<LogReply>
  readonly self: string
}

/**
 * A page of a log: our own copy where this gateway announced the run, else the holder's, else that
 * of the gateway that did. Throws LOG_UNAVAILABLE where nobody who may have it can be reached.
 */
export async function readLog(parts: LogReaderParts, question: LogQuestion): Promise<LogRead> {
  const { job, epoch, fromLine, limit, holder, gateway } = question
  const own = await parts.store.read(job, epoch, fromLine, limit)
  if (own.kind === 'page') return own
  const peers = [holder, gateway].filter((peer) => peer !== undefined && peer !== parts.self)
  let cause: unknown
  for (const peer of new Set(peers)) {
    try {
      const request: LogRequest = { kind: 'read', job, epoch, fromLine, limit }
      const reply = await parts.send(peer ?? '', request)
      if (reply.kind === 'page') return reply
    } catch (error) {
      cause = error
    }
  }
  if (cause === undefined) return { kind: 'absent' }
  throw new MeshError('LOG_UNAVAILABLE', { job, cause: causeOf(cause) }, { cause })
}
