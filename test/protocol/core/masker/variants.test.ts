import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Masker } from '../../../../protocol/core/masker/masker.ts'
import { variantsOf } from '../../../../protocol/core/masker/variants.ts'
import { MASKED_BYTES_MIN } from '../../../../protocol/core/secret-limits.ts'
import { value } from './spellings.ts'

test('no variant is short enough to be in every other word, and none comes twice', () => {
  fc.assert(
    fc.property(value, (text) => {
      const variants = variantsOf(Buffer.from(text)).map((each) =>
        Buffer.from(each).toString('hex')
      )
      expect(new Set(variants).size).toBe(variants.length)
      expect(Math.min(...variants.map((each) => each.length / 2))).toBeGreaterThanOrEqual(
        MASKED_BYTES_MIN
      )
    })
  )
})

test('a value of one line has its spellings and no others', () => {
  const shown = variantsOf(Buffer.from('pa$s/w rd')).map((each) => Buffer.from(each).toString())

  expect(shown).toEqual(
    expect.arrayContaining(['pa$s/w rd', 'pa%24s%2Fw%20rd', 'pa%24s%2Fw+rd', 'pa\\$s/w\\ rd'])
  )
  expect(shown).toContain(Buffer.from('pa$s/w rd').toString('base64'))
  expect(shown).toContain('706124732f77207264')
})

test('the last line of a broken spelling is masked however short it is', () => {
  const value = Buffer.from('0123456789abcdef0123456789ABCDE')
  const lines = value.toString('hex').match(/.{1,60}/g) ?? []

  expect(lines.at(-1)).toBe('45')
  expect(new Masker([value]).text(`${lines.join('\n')}\n`)).toBe('***\n***\n')
})
