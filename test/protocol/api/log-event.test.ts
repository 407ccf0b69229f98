import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventParser } from '../../../protocol/api/event-stream.ts'
import { jobContext, jobDocument } from '../../../protocol/api/job-document.ts'
import {
  formatPlace,
  type LogEvent,
  logEventText,
  parsePlace,
  readLogEvent
} from '../../../protocol/api/log-event.ts'
import { LOG_EVENT_CHARACTERS_MAX } from '../../../protocol/core/follow-limits.ts'
import { LOG_LINE_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { arbitraryText } from '../../support/arbitrary-text.ts'
import { controlParts, RUN } from '../../support/control-parts.ts'

const at = '2026-01-01T00:00:00.000Z'

function lineOf(text: string, number = 1, epoch = 1): LogEvent {
  return { kind: 'line', epoch, data: { number, at, step: 1, stream: 'out', text } }
}

function read(text: string): (LogEvent | undefined)[] {
  return new EventParser().push(text).map(readLogEvent)
}

test('a line of any text arrives as it was, under the id of its place', () => {
  const number = fc.integer({ min: 1, max: 2 ** 48 })
  fc.assert(
    fc.property(arbitraryText(200), number, number, (text, line, epoch) => {
      const event = lineOf(text, line, epoch)
      const [message] = new EventParser().push(logEventText(event))

      expect(read(logEventText(event))).toEqual([event])
      expect(parsePlace(message?.id ?? '')).toEqual({ epoch, line })
    })
  )
})

test.each([
  ['line ends', 'a\nb\r\nc\rd'],
  ['NUL', '\0a\0'],
  ['nothing', ''],
  ['the longest line, each character six', '\u0001'.repeat(LOG_LINE_BYTES_MAX)]
])('a line with %s is one event and comes back', (_name, text) => {
  const written = logEventText(lineOf(text))

  expect(written.length).toBeLessThan(LOG_EVENT_CHARACTERS_MAX)
  expect(read(written)).toEqual([lineOf(text)])
})

test('attempt, queued and end come back; an event of a later version is skipped', () => {
  const parts = controlParts()
  const known = parts.board.job(`${RUN}.0`)
  if (known === undefined) throw new Error('the board has the job')
  const events: LogEvent[] = [
    { kind: 'queued', data: { why: 'no agent fits' } },
    {
      kind: 'attempt',
      data: {
        epoch: 2,
        attempt: 2,
        attemptsMax: 3,
        holder: 'basalt',
        before: { epoch: 1, holder: 'onyx', end: 'expired', line: 7 }
      }
    },
    { kind: 'end', data: { job: jobDocument(known, jobContext(parts)), whole: true } }
  ]

  expect(read(events.map(logEventText).join(''))).toEqual(events)
  expect(read('event: weather\ndata: {}\n\n')).toEqual([undefined])
})

test.each(['', '1', '0.5', '01.1', '1.-1', '1.1x', '1.', `1.${'9'.repeat(16)}`])(
  'the place %j is refused',
  (text) => {
    expect(() => parsePlace(text)).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }))
  }
)

test('a place is written as it is read', () => {
  expect(formatPlace(parsePlace('3.0'))).toBe('3.0')
})
