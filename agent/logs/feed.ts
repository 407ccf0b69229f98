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
  readonly spool: Pick<LogStore, 'read' | 'delivered'>
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
  /** True once the spool has shown this log. */
  #read = false
  /** In a row. */
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
    // A gateway that is away is asked at the pace of the back-off, not of what the job has to say.
    if (this.#failures === 0) this.#wake?.()
  }

  /** Resolves once the whole log is acknowledged, refused for good, or given up. */
  finished(): Promise<void> {
    return this.#done
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    await this.#done
  }

  async #run(): Promise<void> {
    let failingSinceMs: number | undefined
    while (!this.#stopped) {
      const outcome = await this.#sendOnce()
      if (outcome === 'finished') return await this.#delivered()
      if (outcome === 'gone') return
      if (outcome === 'failed') {
        const nowMs = this.#parts.clock.bootMs()
        // Counted from the first failure in a row: a job may run for longer than FEED_MS_MAX.
        failingSinceMs ??= nowMs
        if (nowMs - failingSinceMs >= FEED_MS_MAX) return this.#giveUp()
        await this.#pause(backoffMs(this.#failures, this.#parts.random.next()))
      } else {
        failingSinceMs = undefined
        if (outcome === 'idle' && !this.#news) await this.#pause(FEED_MS_MAX)
      }
    }
  }

  async #sendOnce(): Promise<'sent' | 'idle' | 'failed' | 'finished' | 'gone'> {
    const { job, epoch, gateway } = this.#options
    this.#news = false
    try {
      const page = await this.#parts.spool.read(job, epoch, this.#next, LOG_PAGE_LINES_MAX)
      if (page.kind === 'absent') return this.#absent()
      this.#read = true
      const lines = fitting(page.lines)
      const end = page.end && lines.length === page.lines.length
      if (lines.length === 0 && !end) return this.#idle()
      const push = { kind: 'push', job, epoch, firstLine: this.#next, lines, end } as const
      const reply = await this.#parts.send(gateway, push)
      return this.#settle(reply, lines.length, end)
    } catch (error) {
      this.#failures += 1
      const { log } = this.#parts
      log.debug({ job, epoch, peer: gateway, cause: causeOf(error) }, 'log push failed')
      return 'failed'
    }
  }

  /** Nothing was logged yet, or the spool had no room for it any more. */
  #absent(): 'idle' | 'gone' {
    if (!this.#read) return this.#idle()
    const { job, epoch } = this.#options
    this.#parts.log.warn({ job, epoch, line: this.#next }, 'log removed before it was sent')
    return 'gone'
  }

  #giveUp(): void {
    const { job, epoch, gateway } = this.#options
    this.#parts.log.warn({ job, epoch, peer: gateway, line: this.#next }, 'log push given up')
  }

  /** The spool may let the log go before others; where that cannot be noted it stays longer. */
  async #delivered(): Promise<void> {
    const { job, epoch } = this.#options
    try {
      await this.#parts.spool.delivered(job, epoch)
    } catch (error) {
      this.#parts.log.warn({ job, epoch, cause: causeOf(error) }, 'delivery not noted')
    }
  }

  #idle(): 'idle' {
    // A spool that could be read again: news must wake us, not the back-off.
    this.#failures = 0
    return 'idle'
  }

  /** `lines` were sent from the next one on, and with `end` nothing follows them. */
  #settle(reply: LogReply, lines: number, end: boolean): 'sent' | 'failed' | 'finished' {
    const { job, epoch } = this.#options
    if (reply.kind === 'acked') {
      if (end && reply.nextLine >= this.#next + lines) return 'finished'
      return this.#goOn(reply.nextLine, reply.nextLine > this.#next)
    }
    if (reply.kind === 'refused' && reply.code === 'gap') {
      // The gateway has less than we thought, after a restart say: it names where to go on.
      return this.#goOn(Math.max(1, reply.nextLine), reply.nextLine < this.#next)
    }
    // The gateway has not read the register yet; it will.
    if (reply.kind === 'refused' && reply.code === 'unknown_job') return this.#goOn(1, false)
    this.#parts.log.warn({ job, epoch, reply: reply.kind }, 'log refused')
    return 'finished'
  }

  /** An answer that leads nowhere is a failure: at once it would only be given again. */
  #goOn(next: number, isProgress: boolean): 'sent' | 'failed' {
    if (isProgress) this.#next = next
    this.#failures = isProgress ? 0 : this.#failures + 1
    return isProgress ? 'sent' : 'failed'
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
