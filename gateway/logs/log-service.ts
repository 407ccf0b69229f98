import { LOG_PAGE_LINES_MAX } from '../../protocol/core/limits.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'
import {
  decodeLogRequest,
  encodeLogReply,
  type LogReply,
  type LogRequest
} from '../../protocol/wire/log-codec.ts'
import type { LogMaskers } from '../secrets/log-maskers.ts'
import type { Holders } from './holders.ts'

export interface LogServiceParts {
  readonly store: Pick<LogStore, 'append' | 'finish' | 'read'>
  readonly holders: Pick<Holders, 'standing'>
  readonly maskers: Pick<LogMaskers, 'masked'>
  readonly log: Log
}

type Push = Extract<LogRequest, { kind: 'push' }>
type Read = Extract<LogRequest, { kind: 'read' }>

/** Keeps the logs of the runs that this gateway announced (decision 10), and lets members read. */
export class LogService {
  readonly #parts: LogServiceParts

  constructor(parts: LogServiceParts) {
    this.#parts = parts
  }

  /** The handler of PROTOCOLS.log: only members get through to it. */
  readonly handle = async (remote: string, body: Uint8Array): Promise<Uint8Array> => {
    return encodeLogReply(await this.answer(remote, decodeLogRequest(body)))
  }

  async answer(remote: string, request: LogRequest): Promise<LogReply> {
    return request.kind === 'push' ? await this.#push(remote, request) : await this.#read(request)
  }

  async #push(remote: string, push: Push): Promise<LogReply> {
    const { job, epoch, firstLine, lines, end } = push
    const standing = await this.#parts.holders.standing(job, epoch, remote)
    if (standing !== 'holder') {
      // `unknown` is asked again by the holder: its register may not be visible from here yet.
      const code = standing === 'unknown' ? 'unknown_job' : standing
      this.#parts.log.debug({ job, epoch, peer: remote, code }, 'log push refused')
      return { kind: 'refused', code, nextLine: 0 }
    }
    const masked = await this.#parts.maskers.masked(job, lines)
    // Kept in the clear it could never be taken back. This code is the one that is asked again.
    if (masked === undefined) return { kind: 'refused', code: 'unknown_job', nextLine: 0 }
    // Acknowledged only after the store has it: the holder forgets what is acknowledged.
    const appended = await this.#parts.store.append(job, epoch, firstLine, masked)
    if (appended.kind === 'refused' || !end) return appended
    return await this.#parts.store.finish(job, epoch)
  }

  #read(read: Read): Promise<LogReply> {
    const { job, epoch, fromLine } = read
    const limit = Math.min(Math.max(1, read.limit), LOG_PAGE_LINES_MAX)
    return this.#parts.store.read(job, epoch, Math.max(1, fromLine), limit)
  }
}
