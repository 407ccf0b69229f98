import type { FollowPage, FollowQuestion, FollowSource } from '../../protocol/api/log-follow.ts'
import type { Sources } from '../../protocol/api/sources.ts'
import type { LogLine } from '../../protocol/core/log-line.ts'

/** Lines `first` to `last` of a log, each with its number as text. */
export function numberedLines(first: number, last: number): LogLine[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
    const number = first + index
    return {
      number,
      atMs: 1_767_225_600_000 + number,
      step: 1,
      stream: 'out',
      text: `line ${number}`
    }
  })
}

/** Logs by epoch under the test's hand, with whom was asked for them. */
export class ScriptedLogs implements FollowSource {
  board: Sources['board']
  readonly clock: Sources['clock']
  readonly roster: Sources['roster']
  readonly asked: FollowQuestion[] = []
  readonly #logs = new Map<number, { lines: LogLine[]; end: boolean }>()
  readonly #listeners = new Set<() => void>()
  /** Where the lines come by themselves. */
  kept = true
  /** Lines of one page at most. */
  pageMax = 1_000
  /** Instead of a page: what asking leads to. */
  fault: ((question: FollowQuestion) => Promise<FollowPage> | undefined) | undefined

  constructor({ board, clock, roster }: Sources) {
    this.board = board
    this.clock = clock
    this.roster = roster
  }

  get watchers(): number {
    return this.#listeners.size
  }

  write(epoch: number, count: number, end: 'end' | 'open' = 'open'): void {
    const log = this.#logs.get(epoch) ?? { lines: [], end: false }
    const known = log.lines.length
    log.lines = log.lines.concat(numberedLines(known + 1, known + count))
    log.end ||= end === 'end'
    this.#logs.set(epoch, log)
    if (this.kept) this.tell()
  }

  /** News of the board. */
  tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  watch(_jobId: string, listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  keeps(): boolean {
    return this.kept
  }

  async readPage(question: FollowQuestion): Promise<FollowPage> {
    this.asked.push(question)
    const fault = this.fault?.(question)
    if (fault !== undefined) return await fault
    const log = this.#logs.get(question.epoch)
    if (log === undefined) return { kind: 'absent' }
    const from = question.fromLine - 1
    const lines = log.lines.slice(from, from + Math.min(question.limit, this.pageMax))
    const next = question.fromLine + lines.length
    const end = log.end && next > log.lines.length
    return { kind: 'page', epoch: question.epoch, lines, next, end }
  }
}
