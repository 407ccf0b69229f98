import type { BoardJob } from '../core/board-job.ts'
import {
  LOG_BEAT_MS,
  LOG_HOLDER_REST_MS,
  LOG_LIVELY_MS,
  LOG_LOOK_MS_MAX,
  LOG_LOOK_MS_MIN,
  LOG_TAIL_MS_MAX
} from '../core/follow-limits.ts'
import { isTerminal, type JobState } from '../core/job.ts'
import { holderOf } from '../core/job-filter.ts'
import { LOG_BYTES_MAX, LOG_PAGE_LINES_MAX } from '../core/limits.ts'
import type { LogLine } from '../core/log-line.ts'
import { attemptOf, attemptsAtMost } from '../core/retries.ts'
import { jobContext, jobDocument } from './job-document.ts'
import type { AttemptEvent, LogEvent, LogPlace } from './log-event.ts'
import { logLineDocument } from './log-line-document.ts'
import { memberName } from './member-names.ts'
import type { Sources } from './sources.ts'

export interface FollowQuestion {
  readonly job: string
  readonly epoch: number
  readonly fromLine: number
  readonly limit: number
  /** Peer ids; undefined where there is none, or it is not to be asked. */
  readonly holder: string | undefined
  readonly gateway: string
}

export type FollowPage =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'page'
      readonly epoch: number
      readonly lines: readonly LogLine[]
      readonly next: number
      readonly end: boolean
    }

/** Where a followed log comes from; both programs have one. */
export interface FollowSource extends Sources {
  /** Calls `listener` when lines of the job were kept here, or the board has news of it. */
  watch(jobId: string, listener: () => void): () => void
  /** True where this process is the first to have the lines of such an attempt. */
  keeps(place: { readonly holder: string | undefined; readonly gateway: string }): boolean
  /** A page from wherever it is kept; rejects where nobody who may have it can be reached. */
  readPage(question: FollowQuestion): Promise<FollowPage>
}

type Found = 'lines' | 'quiet' | 'whole' | 'failed'

/**
 * One job from a place in its log to its end, attempt after attempt: lines as they come, by news
 * where they are kept here, else by looking at whoever has them. An array of nothing is a sign of
 * life. What was given is not asked for again, and nothing is read before it is asked for: a slow
 * reader slows this down.
 */
export class LogFollow {
  readonly #source: FollowSource
  readonly #jobId: string
  readonly #signal: AbortSignal
  #job: BoardJob
  #place: LogPlace
  #bytes = 0
  #why = ''
  #news = false
  #wake: (() => void) | undefined
  #spokeAtMs: number
  #lineAtMs: number
  #lookMs = LOG_LOOK_MS_MIN
  #holderRestsUntilMs = 0
  #endedAtMs: number | undefined

  /** `start.epoch` 0 is the latest attempt. Ends at once when `signal` aborts. */
  constructor(source: FollowSource, job: BoardJob, start: LogPlace, signal: AbortSignal) {
    this.#source = source
    this.#job = job
    this.#jobId = job.jobId
    this.#place = start
    this.#signal = signal
    this.#spokeAtMs = source.clock.bootMs()
    this.#lineAtMs = this.#spokeAtMs
  }

  async *events(): AsyncGenerator<readonly LogEvent[], void> {
    const unwatch = this.#source.watch(this.#jobId, () => {
      this.#news = true
      this.#wake?.()
    })
    try {
      while (!this.#signal.aborted) {
        this.#news = false
        this.#job = this.#source.board.job(this.#jobId) ?? this.#job
        yield* this.#spoken(this.#moveOn())
        const found = yield* this.#lines()
        const end = this.#end(found)
        if (end !== undefined) return yield [end]
        if (found !== 'lines') yield* this.#rest(found)
      }
    } finally {
      unwatch()
    }
  }

  async *#spoken(
    batches: AsyncIterable<readonly LogEvent[]>
  ): AsyncGenerator<readonly LogEvent[], void> {
    for await (const batch of batches) {
      this.#spokeAtMs = this.#source.clock.bootMs()
      yield batch
    }
  }

  /** What the board says before any line: why it is queued, or that a new attempt began. */
  async *#moveOn(): AsyncGenerator<readonly LogEvent[], void> {
    const { state } = this.#job
    const epoch = state?.epoch ?? 0
    if (state !== undefined && epoch > this.#place.epoch) {
      // What is left of the attempt before: its holder may be gone, the gateway is not.
      if (this.#place.epoch > 0) yield* this.#lines()
      const data = this.#attempt(state)
      const isFirst = this.#place.epoch === 0
      this.#place = { epoch, line: isFirst ? this.#place.line : 0 }
      this.#bytes = 0
      this.#lineAtMs = this.#source.clock.bootMs()
      yield [{ kind: 'attempt', data }]
    }
    if ((state?.phase ?? 'queued') !== 'queued') {
      this.#why = ''
      return
    }
    const { why } = this.#document()
    if (why === this.#why) return
    this.#why = why
    yield [{ kind: 'queued', data: { why } }]
  }

  #attempt(state: JobState): AttemptEvent {
    const { epoch } = state
    const roster = this.#source.roster()
    const before = state.history.findLast((entry) => entry.epoch < epoch)
    const holder = holderUnder(state, epoch)
    const seen = before?.epoch === this.#place.epoch ? this.#place.line : null
    return {
      epoch,
      attempt: attemptOf(state),
      attemptsMax: attemptsAtMost(state),
      holder: holder === undefined ? null : memberName(holder, roster),
      before:
        before === undefined
          ? null
          : {
              epoch: before.epoch,
              holder: memberName(before.holder, roster),
              end: before.end,
              line: seen
            }
    }
  }

  /** All lines that are there now. */
  async *#lines(): AsyncGenerator<readonly LogEvent[], Found> {
    const { epoch } = this.#place
    if (epoch === 0) return 'quiet'
    let found: Found = 'quiet'
    while (!this.#signal.aborted) {
      const page = await this.#page()
      if (page === undefined) return 'failed'
      if (page.kind === 'absent') return found
      if (page.lines.length > 0) {
        found = 'lines'
        this.#place = { epoch, line: page.next - 1 }
        this.#spokeAtMs = this.#lineAtMs = this.#source.clock.bootMs()
        this.#lookMs = LOG_LOOK_MS_MIN
        yield page.lines.map((line) => ({ kind: 'line', epoch, data: logLineDocument(line) }))
      }
      if (page.end) return 'whole'
      if (page.lines.length === 0) return found
    }
    return found
  }

  /** Undefined for a page that cannot be had, or that does not go on where the last one ended. */
  async #page(): Promise<FollowPage | undefined> {
    const { clock } = this.#source
    const { epoch, line } = this.#place
    const fromLine = line + 1
    const askedAtMs = clock.bootMs()
    const question = { job: this.#jobId, epoch, fromLine, limit: LOG_PAGE_LINES_MAX }
    const from = this.#from(askedAtMs)
    try {
      const page = await this.#source.readPage({ ...question, ...from })
      if (page.kind === 'absent' || this.#isNext(page, epoch, fromLine)) return page
      return undefined
    } catch {
      return undefined
    } finally {
      // A holder that is stopped costs a whole time-out: meanwhile the gateway may have more.
      const nowMs = clock.bootMs()
      if (from.holder !== undefined && nowMs - askedAtMs > LOG_LOOK_MS_MAX) {
        this.#holderRestsUntilMs = nowMs + LOG_HOLDER_REST_MS
      }
    }
  }

  #isNext(page: Extract<FollowPage, { kind: 'page' }>, epoch: number, fromLine: number): boolean {
    this.#bytes += page.lines.reduce((sum, { text }) => sum + Buffer.byteLength(text) + 1, 0)
    // No log is kept that is longer: whoever serves one makes it up as it goes.
    if (page.epoch !== epoch || this.#bytes > LOG_BYTES_MAX) return false
    if (page.lines.some(({ number }, index) => number !== fromLine + index)) return false
    return page.lines.length === 0 || page.next === fromLine + page.lines.length
  }

  /** Who may have the lines of the attempt that is followed. */
  #from(nowMs: number): Pick<FollowQuestion, 'holder' | 'gateway'> {
    const { state, runId } = this.#job
    const gateway = this.#source.board.run(runId)?.sealed.announcement.gateway ?? ''
    const isLost = state?.history.some(({ epoch, end }) => {
      return epoch === this.#place.epoch && end === 'expired'
    })
    const rests = isLost === true || nowMs < this.#holderRestsUntilMs
    if (state === undefined || rests) return { gateway, holder: undefined }
    return { gateway, holder: holderUnder(state, this.#place.epoch) }
  }

  /** The last event, once the job has ended and nothing more of its log is to be had. */
  #end(found: Found): LogEvent | undefined {
    const { state } = this.#job
    if (state === undefined || !isTerminal(state.phase)) return undefined
    const nowMs = this.#source.clock.bootMs()
    this.#endedAtMs ??= nowMs
    const logged = state.outcome?.logLines ?? 0
    const hasAll = logged > 0 && this.#place.line >= logged
    const whole = found === 'whole' || this.#place.epoch === 0 || hasAll
    // Only a holder that completes its attempt ends its log too: of a lost one no more comes.
    const mayCome = state.op.body.kind === 'complete' || found === 'failed'
    const late = nowMs - this.#endedAtMs >= LOG_TAIL_MS_MAX
    if (!whole && ((mayCome && !late) || found === 'lines')) return undefined
    return { kind: 'end', data: { job: this.#document(), whole } }
  }

  async *#rest(found: Found): AsyncGenerator<readonly LogEvent[], void> {
    const { clock } = this.#source
    const quietMs = clock.bootMs() - this.#lineAtMs
    const wantsTail = this.#endedAtMs !== undefined
    const lively = found !== 'failed' && (quietMs < LOG_LIVELY_MS || wantsTail)
    this.#lookMs = lively ? LOG_LOOK_MS_MIN : Math.min(2 * this.#lookMs, LOG_LOOK_MS_MAX)
    const from = this.#from(clock.bootMs())
    const byNews = holderOf(this.#job) === undefined || this.#source.keeps(from)
    const ms = byNews && found !== 'failed' && !wantsTail ? LOG_LOOK_MS_MAX : this.#lookMs
    await this.#pause(ms)
    const nowMs = clock.bootMs()
    if (this.#signal.aborted || nowMs - this.#spokeAtMs < LOG_BEAT_MS) return
    this.#spokeAtMs = nowMs
    yield []
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        disarm()
        this.#signal.removeEventListener('abort', done)
        this.#wake = undefined
        resolve()
      }
      const disarm = this.#source.clock.arm(ms, done)
      this.#wake = done
      this.#signal.addEventListener('abort', done, { once: true })
      // News that came since the last look must not be slept over.
      if (this.#news || this.#signal.aborted) done()
    })
  }

  #document() {
    return jobDocument(this.#job, jobContext(this.#source))
  }
}

/** Peer id of who held that epoch. */
function holderUnder(state: JobState, epoch: number): string | undefined {
  if (state.epoch === epoch && state.lease !== undefined) return state.lease.holder
  return state.history.find((entry) => entry.epoch === epoch)?.holder
}
