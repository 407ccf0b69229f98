import { backoffMs } from '../../protocol/core/backoff.ts'
import { causeOf } from '../../protocol/core/errors.ts'
import { FEED_MS_MAX, LOG_CHUNK_BYTES_MAX, LOG_PAGE_LINES_MAX } from '../../protocol/core/limits.ts'
import type { LogLine } from '../../protocol/core/log-line.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'
import type { LogReply, LogRequest } from '../../protocol/wire/log-codec.ts'

/** Sends one log request to a member. Rejects where it cannot be reached. */
export type LogSend = (peer: string, request: LogRequest) => Promise<LogReply>

export interface FeedParts {
  readonly spool: LogStore
  readonly send: LogSend
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface FeedOptions {
  readonly job: string
  readonly epoch: number
  /** Peer id of the gateway that announced the run. */
  readonly gateway: string
}

/**
 * Pushes one attempt's log from the spool to the announcing gateway. The gateway's acknowledgement
 * is the offset: after a broken connection or a restart of the gateway the rest is sent again from
 * there, so nothing is held in memory but one chunk.
 */
export class Feed {
  readonly #parts: FeedParts
  readonly #options: FeedOptions
  #next = 1
  #failures = 0
  #news = true
  #stopped = false
  #wake: (() => void) | undefined
  readonly #done: Promise<void>

  constructor(parts: FeedParts, options: FeedOptions) {
    this.#parts = parts
    this.#options = options
    this.#done = this.#run()
  }

  /** There are new lines in the spool, or the log is finished. */
  notify(): void {
    this.#news = true
    this.#wake?.()
  }

  /** Resolves once the whole log is acknowledged, refused for good, or FEED_MS_MAX has passed. */
  finished(): Promise<void> {
    return this.#done
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    await this.#done
  }

  async #run(): Promise<void> {
    const endMs = this.#parts.clock.bootMs() + FEED_MS_MAX
    while (!this.#stopped) {
      const outcome = await this.#sendOnce()
      if (outcome === 'finished') return
      if (outcome === 'failed') {
        if (this.#parts.clock.bootMs() > endMs) return
        await this.#pause(backoffMs(this.#failures, this.#parts.random.next()))
      } else if (outcome === 'idle' && !this.#news) {
        await this.#pause(FEED_MS_MAX)
      }
    }
  }

  async #sendOnce(): Promise<'sent' | 'idle' | 'failed' | 'finished'> {
    const { job, epoch, gateway } = this.#options
    this.#news = false
    try {
      const page = await this.#parts.spool.read(job, epoch, this.#next, LOG_PAGE_LINES_MAX)
      if (page.kind === 'absent') return 'idle'
      const lines = fitting(page.lines)
      const end = page.end && lines.length === page.lines.length
      if (lines.length === 0 && !end) return 'idle'
      const push = { kind: 'push', job, epoch, firstLine: this.#next, lines, end } as const
      const reply = await this.#parts.send(gateway, push)
      this.#failures = 0
      return this.#settle(reply, end ? this.#next + lines.length : undefined)
    } catch (error) {
      this.#failures += 1
      const { log } = this.#parts
      log.debug({ job, epoch, peer: gateway, cause: causeOf(error) }, 'log push failed')
      return 'failed'
    }
  }

  /** `endLine` is the line after the last one, where the push said that nothing follows. */
  #settle(reply: LogReply, endLine: number | undefined): 'sent' | 'failed' | 'finished' {
    const { job, epoch } = this.#options
    if (reply.kind === 'acked') {
      this.#next = reply.nextLine
      return endLine !== undefined && reply.nextLine >= endLine ? 'finished' : 'sent'
    }
    if (reply.kind === 'refused' && reply.code === 'gap') {
      // The gateway has less than we thought, after a restart say: it names where to go on.
      this.#next = Math.max(1, reply.nextLine)
      return 'sent'
    }
    if (reply.kind === 'refused' && reply.code === 'unknown_job') {
      // The gateway has not read the register yet; it will.
      this.#failures += 1
      return 'failed'
    }
    this.#parts.log.warn({ job, epoch, reply: reply.kind }, 'log refused')
    return 'finished'
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const disarm = this.#parts.clock.arm(ms, () => this.#wake?.())
      this.#wake = () => {
        disarm()
        this.#wake = undefined
        resolve()
      }
      // News that came between the last look and this wait must not be slept over.
      if (this.#stopped || (this.#news && this.#failures === 0)) this.#wake()
    })
  }
}

/** As many lines as one chunk holds, at least one. */
function fitting(lines: readonly LogLine[]): readonly LogLine[] {
  let bytes = 0
  let count = 0
  for (const line of lines) {
    bytes += Buffer.byteLength(line.text)
    if (count > 0 && bytes > LOG_CHUNK_BYTES_MAX) break
    count += 1
  }
  return lines.slice(0, count)
}
