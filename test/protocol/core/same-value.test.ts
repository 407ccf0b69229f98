import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RegisterValue } from '../../../protocol/core/messages.ts'
import { sameValue } from '../../../protocol/core/same-value.ts'
import { digest } from '../../../protocol/wire/digest.ts'
import { values } from '../wire/register-arbitraries.ts'

const NEVER = {
  hash: (): string => {
    throw new Error('hashed')
  },
  text: (): string => ''
}

test('a value and its copy are the same without a hash, also where an absent field is undefined', () => {
  fc.assert(
    fc.property(values, (value) => {
      expect(sameValue(value, structuredClone(value), NEVER)).toBe(true)
      expect(sameValue({ ...value, cancel: undefined } as RegisterValue, value, digest())).toBe(
        digest().hash({ ...value, cancel: undefined } as RegisterValue) === digest().hash(value)
      )
    })
  )
})

test('two values are the same exactly where their hashes are', () => {
  fc.assert(
    fc.property(values, values, (one, other) => {
      const isSame = digest().hash(one) === digest().hash(other)
      expect(sameValue(one, other, digest())).toBe(isSame)
      const changed = { ...one, version: one.version === 7 ? 8 : 7 }
      expect(sameValue(one, changed, digest())).toBe(false)
    })
  )
})
