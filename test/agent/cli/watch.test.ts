import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { picture } from '../../../agent/cli/watch.ts'

/** Rows that a terminal of that width needs for it. */
function heightOf(text: string, columns: number): number {
  return text
    .split('\n')
    .map((line) => Math.max(1, Math.ceil(stripVTControlCharacters(line).length / columns)))
    .reduce((sum, rows) => sum + rows, 0)
}

test('a picture never takes more rows than the terminal has, whatever wraps', () => {
  const line = fc.integer({ min: 0, max: 300 }).map((length) => 'x'.repeat(length))
  fc.assert(
    fc.property(
      fc.array(line, { minLength: 1, maxLength: 60 }),
      fc.record({
        rows: fc.integer({ min: 12, max: 60 }),
        columns: fc.integer({ min: 60, max: 200 })
      }),
      (lines, screen) => {
        const drawn = picture(lines.join('\n'), screen)

        // One line at least is shown, however long.
        const first = heightOf(lines[0] ?? '', screen.columns)
        expect(heightOf(drawn, screen.columns)).toBeLessThanOrEqual(
          Math.max(screen.rows, first + 4)
        )
      }
    )
  )
})

test('colours take no room, and what is left out is counted', () => {
  const red = `\u001b[31m${'x'.repeat(80)}\u001b[39m`

  expect(picture([red, red].join('\n'), { rows: 5, columns: 80 })).toContain(red)
  expect(picture(Array(20).fill('a line').join('\n'), { rows: 10, columns: 80 })).toMatch(
    /… 14 lines more\n$/
  )
})

test('without a terminal everything is shown', () => {
  const text = Array(500).fill('x'.repeat(500)).join('\n')

  expect(picture(text, { rows: undefined, columns: undefined })).toContain(text)
})
