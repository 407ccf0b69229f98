import { LOG_EVENT_CHARACTERS_MAX } from '../core/follow-limits.ts'

export const EVENT_STREAM_TYPE = 'text/event-stream'

/** One message of an event stream (HTML standard, 9.2); `id` undefined leaves the last one. */
export interface StreamEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: string
}

/** What a stream says when there is nothing to say: readers skip it, proxies see life. */
export const BEAT = ': still here\n\n'

/** `event` and `id` have no line ends; `data` may have any: they arrive as LF. */
export function eventText({ event, id, data }: StreamEvent): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}${lines.join('')}\n`
}

/** Takes an event stream as it arrives, in pieces that may end anywhere. */
export class EventParser {
  #rest = ''
  #isFirst = true
  /** The last piece ended with CR: an LF that follows belongs to it. */
  #returned = false
  #event = ''
  #id: string | undefined
  #data: string[] = []
  #characters = 0

  /** The messages that `piece` completes. Throws where one is over LOG_EVENT_CHARACTERS_MAX. */
  push(piece: string): readonly StreamEvent[] {
    const events: StreamEvent[] = []
    for (const line of this.#lines(piece)) {
      const event = this.#take(line)
      if (event !== undefined) events.push(event)
    }
    return events
  }

  #lines(piece: string): readonly string[] {
    if (piece === '') return []
    let text = this.#isFirst ? piece.replace(/^\ufeff/, '') : piece
    this.#isFirst = false
    if (this.#returned && text.startsWith('\n')) text = text.slice(1)
    this.#returned = piece.endsWith('\r')
    const lines = (this.#rest + text).split(/\r\n|\r|\n/)
    this.#rest = lines.pop() ?? ''
    this.#bound(this.#rest.length)
    return lines
  }

  #bound(more: number): void {
    if (this.#characters + more <= LOG_EVENT_CHARACTERS_MAX) return
    throw new Error(`an event of the stream is over ${LOG_EVENT_CHARACTERS_MAX} characters`)
  }

  #take(line: string): StreamEvent | undefined {
    if (line === '') return this.#end()
    if (line.startsWith(':')) return undefined
    this.#bound(line.length)
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'event') this.#event = value
    else if (name === 'id' && !value.includes('\0')) this.#id = value
    else if (name === 'data') {
      this.#data.push(value)
      this.#characters += line.length
    }
    return undefined
  }

  #end(): StreamEvent | undefined {
    const whole = { event: this.#event || 'message', id: this.#id, data: this.#data.join('\n') }
    const isEmpty = this.#data.length === 0
    this.#event = ''
    this.#data = []
    this.#characters = 0
    return isEmpty ? undefined : whole
  }
}
