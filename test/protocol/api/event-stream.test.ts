import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  BEAT,
  EventParser,
  eventText,
  type StreamEvent
} from '../../../protocol/api/event-stream.ts'
import { LOG_EVENT_CHARACTERS_MAX } from '../../../protocol/core/follow-limits.ts'
import { arbitraryText } from '../../support/arbitrary-text.ts'

/** `text` in pieces that end anywhere. */
function pieces(text: string, cuts: readonly number[]): string[] {
  const at = [...cuts.map((cut) => cut % (text.length + 1)), text.length].sort((a, b) => a - b)
  return at.map((end, index) => text.slice(at[index - 1] ?? 0, end))
}

function parsed(parts: readonly string[]): StreamEvent[] {
  const parser = new EventParser()
  return parts.flatMap((part) => parser.push(part))
}

test('what is written is what is read, however it is cut; line ends arrive as LF', () => {
  const event = fc.record({
    event: fc.constantFrom('line', 'end', 'attempt'),
    id: fc.constantFrom('1.0', '2.117'),
    data: arbitraryText(80)
  })
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 9 }),
      (all, cuts) => {
        const text = all.map((one) => BEAT + eventText(one)).join('')
        const expected = all.map((one) => ({ ...one, data: one.data.replace(/\r\n|\r/g, '\n') }))

        expect(parsed(pieces(text, cuts))).toEqual(expected)
      }
    )
  )
})

test.each([
  ['CR LF', 'event: a\r\ndata: 1\r\n\r\n'],
  ['CR', 'event: a\rdata: 1\r\r'],
  ['a mark of UTF-8 first', '\ufeffevent: a\ndata: 1\n\n'],
  ['no space behind the colon', 'event:a\ndata:1\n\n'],
  ['fields that nobody knows', 'event: a\nretry: 5\nfield\ndata: 1\n\n']
])('%s is read as the standard says', (_name, text) => {
  for (const parts of [[text], [...text]]) {
    expect(parsed(parts)).toEqual([{ event: 'a', id: undefined, data: '1' }])
  }
})

test('the last id holds until another comes; an event without data is none', () => {
  expect(parsed(['id: 1.1\ndata: a\n\nevent: x\n\ndata: b\n\n'])).toEqual([
    { event: 'message', id: '1.1', data: 'a' },
    { event: 'message', id: '1.1', data: 'b' }
  ])
})

test('an event that never ends is given up, whether its lines end or not', () => {
  const long = 'x'.repeat(LOG_EVENT_CHARACTERS_MAX)
  expect(() => parsed([`data: ${long}`])).toThrow('over')
  const half = `data: ${long.slice(0, LOG_EVENT_CHARACTERS_MAX / 2)}\n`
  expect(() => parsed([half, half, half])).toThrow('over')
})
