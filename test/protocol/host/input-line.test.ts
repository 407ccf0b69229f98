import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { inputLine } from '../../../protocol/host/input-line.ts'

const MAX = 100

test.each([
  ['one line', ['rmj1.abc\n'], 'rmj1.abc'],
  ['a line of another system', ['rmj1.abc\r\n'], 'rmj1.abc'],
  ['no line end', ['rmj1.abc'], 'rmj1.abc'],
  ['several parts', ['rmj1', '.a', 'bc\nmore'], 'rmj1.abc'],
  ['several lines', ['rmj1.abc\nsecond\n'], 'rmj1.abc'],
  ['nothing', [], '']
])('%s gives its first line', async (_name, parts, line) => {
  const asBytes = Readable.from(parts.map((part) => Buffer.from(part)))

  expect(await inputLine(asBytes, MAX)).toBe(line)
  expect(await inputLine(Readable.from(parts), MAX)).toBe(line)
})

test('no input at all is an empty line', async () => {
  expect(await inputLine(undefined, MAX)).toBe('')
})

test.each([
  ['endless', () => endless()],
  ['in one part', () => Readable.from([`${'secret'.repeat(MAX)}\n`])]
])('a line that is too long, %s, is cut where its reader can tell', async (_name, input) => {
  expect(await inputLine(input(), MAX)).toHaveLength(MAX + 1)
})

function endless(): Readable {
  return Readable.from(
    (function* () {
      for (;;) yield 'secret'
    })()
  )
}

test('nobody is waited for once the line is there', async () => {
  const open = new Readable({ read: () => undefined })
  open.push('rmj1.abc\n')

  expect(await inputLine(open, MAX)).toBe('rmj1.abc')
  expect(open.destroyed).toBe(true)
})
