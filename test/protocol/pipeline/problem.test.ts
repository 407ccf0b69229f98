import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Lines } from '../../../protocol/pipeline/lines.ts'
import {
  formatPath,
  inOrder,
  type Problem,
  quoted,
  toManifestError
} from '../../../protocol/pipeline/problem.ts'
import { arbitraryText } from '../../support/arbitrary-text.ts'

const problem = (line: number, column: number, text = 'x'): Problem => {
  return { place: { line, column }, path: ['jobs', 'build', 'steps', 2, 'run'], text }
}

test('problems come by line, then by column, each once', () => {
  const all = [problem(3, 1), problem(1, 9), problem(1, 2, 'b'), problem(1, 2, 'a'), problem(3, 1)]
  expect(inOrder(all)).toEqual([
    problem(1, 2, 'b'),
    problem(1, 2, 'a'),
    problem(1, 9),
    problem(3, 1)
  ])
})

test('no more problems are listed than anyone reads', () => {
  expect(inOrder(Array.from({ length: 99 }, (_, line) => problem(line + 1, 1)))).toHaveLength(50)
})

test('an error names the file, the place, the path and what is wrong', () => {
  expect(toManifestError(problem(12, 7, 'is empty: write a command'), '.runner-mesh.yml')).toEqual({
    code: 'PIPELINE_INVALID',
    message: '.runner-mesh.yml:12:7: jobs.build.steps[2].run: is empty: write a command',
    line: 12,
    column: 7,
    path: 'jobs.build.steps[2].run'
  })
})

test('a problem of the whole file has no path', () => {
  const error = toManifestError({ ...problem(1, 1), path: [] }, 'f.yml')
  expect(error.path).toBeUndefined()
  expect(error.message).toBe('f.yml:1:1: top level: x')
})

test('a path shows odd keys in quotes and short', () => {
  expect(formatPath(['jobs', 'a b', 'env', 'X\n'])).toBe('jobs["a b"].env["X\\n"]')
  expect(formatPath(['k'.repeat(300_000)]).length).toBeLessThan(80)
  expect(formatPath([0, 'a'])).toBe('[0].a')
})

const HIDDEN = /[\p{Cc}\p{Cs}\u202e]/u

test('no quoted text is long, breaks the line or moves the cursor', () => {
  fc.assert(
    fc.property(arbitraryText(200), (text) => {
      const shown = quoted(text)
      expect(HIDDEN.test(shown)).toBe(false)
      expect(shown.length).toBeLessThan(500)
    })
  )
})

test('every offset of a text has the line and column that an editor shows', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[ab\n]{0,30}$/), (text) => {
      const lines = new Lines(text)
      for (let offset = 0; offset <= text.length; offset += 1) {
        const before = text.slice(0, offset).split('\n')
        const column = (before.at(-1) ?? '').length + 1
        expect(lines.at(offset)).toEqual({ line: before.length, column })
      }
    })
  )
})
