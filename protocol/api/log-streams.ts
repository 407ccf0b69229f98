import { Readable } from 'node:stream'
import type { BoardJob } from '../core/board-job.ts'
import { MeshError } from '../core/errors.ts'
import { LOG_STREAMS_MAX } from '../core/follow-limits.ts'
import { BEAT } from './event-stream.ts'
import { type LogPlace, logEventText, parsePlace } from './log-event.ts'
import { type FollowSource, LogFollow } from './log-follow.ts'

/**
 * Headers of a followed log: nothing on the way may keep it back, or keep it. Its connection ends
 * with it: kept open, it would hold up a server that stops.
 */
export const EVENT_STREAM_HEADERS = {
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
  connection: 'close'
}

/** The logs that are being followed from this process: LOG_STREAMS_MAX at most. */
export class LogStreams {
  readonly #max: number
  readonly #open = new Set<AbortController>()
  #stopped = false

  constructor(options: { readonly max?: number | undefined } = {}) {
    this.#max = options.max ?? LOG_STREAMS_MAX
  }

  get size(): number {
    return this.#open.size
  }

  /** An event stream of the job from `start` on. Throws OVERLOADED, STOPPING. */
  open(source: FollowSource, job: BoardJob, start: LogPlace): Readable {
    if (this.#stopped) throw new MeshError('STOPPING', { what: 'this process' })
    if (this.#open.size >= this.#max) {
      throw new MeshError('OVERLOADED', { what: 'the list of followed logs', max: this.#max })
    }
    const stop = new AbortController()
    this.#open.add(stop)
    const follow = new LogFollow(source, job, start, stop.signal)
    return new LogStream(texts(follow), () => {
      stop.abort()
      this.#open.delete(stop)
    })
  }

  /** Ends every stream where it is: its reader goes on elsewhere, or later. */
  stop(): void {
    this.#stopped = true
    for (const stop of this.#open) stop.abort()
  }
}

/**
 * Takes one text at a time, when its reader has room. Not Readable.from: that one waits for the
 * text that is on its way before it tells anyone that its reader has gone, and here that takes as
 * long as the job is silent.
 */
class LogStream extends Readable {
  readonly #texts: AsyncGenerator<string, void>
  readonly #onGone: () => void

  constructor(source: AsyncGenerator<string, void>, onGone: () => void) {
    super()
    this.#texts = source
    this.#onGone = onGone
  }

  override _read(): void {
    void this.#pull()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#onGone()
    this.#texts.return().then(
      () => callback(error),
      () => callback(error)
    )
  }

  async #pull(): Promise<void> {
    try {
      const { value, done } = await this.#texts.next()
      if (!this.destroyed) this.push(done === true ? null : value)
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }
}

/** Where to begin: what the reader saw last wins over what it asked for at first. */
export function followStart(
  query: { readonly from: number; readonly epoch?: number | undefined },
  lastEventId: string | readonly string[] | undefined
): LogPlace {
  if (lastEventId !== undefined && lastEventId !== '') return parsePlace(String(lastEventId))
  return { epoch: query.epoch ?? 0, line: query.from - 1 }
}

async function* texts(follow: LogFollow): AsyncGenerator<string, void> {
  // At once, so that the reader sees that it is let in.
  yield BEAT
  for await (const events of follow.events()) {
    yield events.length === 0 ? BEAT : events.map(logEventText).join('')
  }
}
