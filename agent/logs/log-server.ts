import { LOG_PAGE_LINES_MAX } from '../../protocol/core/limits.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'
import { decodeLogRequest, encodeLogReply } from '../../protocol/wire/log-codec.ts'

/** Answers other members that read a log from this agent's spool; nobody pushes to an agent. */
export function logServer(
  spool: LogStore
): (remote: string, body: Uint8Array) => Promise<Uint8Array> {
  return async (_remote, body) => {
    const request = decodeLogRequest(body)
    if (request.kind === 'push') {
      return encodeLogReply({ kind: 'refused', code: 'not_allowed', nextLine: 0 })
    }
    const limit = Math.min(request.limit, LOG_PAGE_LINES_MAX)
    return encodeLogReply(await spool.read(request.job, request.epoch, request.fromLine, limit))
  }
}
