import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  hiddenOfSource,
  readSourceAccess,
  SOURCE_ACCESS,
  sourceAccessBytes
} from '../../../protocol/core/source-access.ts'

const word = fc.string({ minLength: 1, unit: 'grapheme-ascii' })
const access = fc.oneof(
  fc.record({ kind: fc.constant('password' as const), user: word, password: word }),
  fc.record({
    kind: fc.constant('key' as const),
    key: fc.array(word, { minLength: 1 }).map((lines) => `${lines.join('\n')}\n`)
  })
)

test('what is sent is what is read', () => {
  fc.assert(
    fc.property(access, (given) => {
      expect(readSourceAccess(sourceAccessBytes(given))).toEqual(given)
    })
  )
})

test.each(['', 'key', 'key\n', 'password git\n', 'other\nx', 'password git\none\ntwo'])(
  '%j is no access',
  (text) => {
    expect(readSourceAccess(Buffer.from(text))).toBeUndefined()
  }
)

test('what is hidden of it is the password or the key, without the user', () => {
  const password = hiddenOfSource({ kind: 'password', user: 'git', password: 'hunter22' })
  const key = hiddenOfSource({ kind: 'key', key: 'one\ntwo\n' })

  expect([password, key].map((bytes) => Buffer.from(bytes).toString())).toEqual([
    'hunter22',
    'one\ntwo\n'
  ])
})

test('no secret of a pipeline can have its name', () => {
  expect(SOURCE_ACCESS).not.toMatch(/^[A-Za-z_]/)
})
