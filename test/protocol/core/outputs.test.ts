import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  OUTPUTS_BYTES_MAX,
  OUTPUTS_FILE_BYTES_MAX,
  OUTPUTS_MAX
} from '../../../protocol/core/graph-limits.ts'
import { parseOutputs } from '../../../protocol/core/outputs.ts'

const read = (text: string) => {
  const parsed = parseOutputs(text)
  return parsed.kind === 'read' ? parsed.outputs : parsed.problem
}

describe('outputs', () => {
  test('are lines of name=value; the last one of a name counts', () => {
    expect(read('')).toEqual({})
    expect(read('a=1\n\nb=x=y \na=2\nempty=\n')).toEqual({ a: '2', b: 'x=y ', empty: '' })
    expect(read('a=1\r\n')).toEqual({ a: '1' })
  })

  test('of several lines end where they say', () => {
    expect(read('a<<END\none=1\n\nb<<X\nEND\nc=3')).toEqual({ a: 'one=1\n\nb<<X', c: '3' })
    expect(read('a<<END\nEND\n')).toEqual({ a: '' })
  })

  test.each([
    ['no pair', 'a=1\nhello', 'line 2: "hello" is not name=value'],
    ['a name that is none', 'a-b=1', 'line 1: "a-b=1" is not name=value'],
    ['no end', 'a<<END\nb=1', 'line 1: "a<<END" has no line "END"'],
    ['a long line', 'x'.repeat(50), `line 1: "${'x'.repeat(40)}"... is not name=value`],
    ['a NUL', 'a=\0', 'a has a NUL character'],
    ['a long name', `${'n'.repeat(101)}=1`, 'line 1: the name is too long']
  ])('with %s are refused, by their line', (_name, text, problem) => {
    expect(read(text)).toBe(problem)
  })

  test('are few, and small', () => {
    const many = Array.from({ length: OUTPUTS_MAX + 1 }, (_, at) => `n${at}=`)
    expect(Object.keys(read(many.slice(1).join('\n')))).toHaveLength(OUTPUTS_MAX)
    expect(read(many.join('\n'))).toMatch(/at most 32/)
    expect(read(`a=${'x'.repeat(OUTPUTS_BYTES_MAX - 1)}`)).toHaveProperty('a')
    expect(read(`a=${'x'.repeat(OUTPUTS_BYTES_MAX)}`)).toMatch(/have 4097 bytes/)
    expect(read('\n'.repeat(OUTPUTS_FILE_BYTES_MAX + 1))).toMatch(/the file has more than/)
  })

  test('come out as they were written, whatever they hold', () => {
    const names = fc.stringMatching(/^[A-Za-z_]\w{0,5}$/)
    const values = fc.string({ maxLength: 20 }).filter((value) => !/[\0\r\n]/.test(value))
    const lines = fc.array(values, { maxLength: 4 }).filter((all) => !all.includes('END'))
    fc.assert(
      fc.property(fc.dictionary(names, lines, { maxKeys: 5 }), (wanted) => {
        const text = Object.entries(wanted).map(([name, value]) => {
          if (value.length === 1) return `${name}=${value[0]}`
          return [`${name}<<END`, ...value, 'END'].join('\n')
        })
        const expected = Object.fromEntries(
          Object.entries(wanted).map(([name, value]) => [name, value.join('\n')])
        )
        expect(read(text.join('\n'))).toEqual(expected)
      })
    )
  })

  test('of any text whatever are read or refused, and never throw', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        expect(['read', 'invalid']).toContain(parseOutputs(text).kind)
      })
    )
  })
})
