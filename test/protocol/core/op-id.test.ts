import { expect, test } from 'vitest'
import { endOpId } from '../../../protocol/core/op-id.ts'
import { DIGEST } from '../../support/arbitrary-register.ts'

test('a holder that remembers only its claim finds the id of its report again', () => {
  const id = endOpId('c1', 'complete', DIGEST)

  expect(endOpId('c1', 'complete', DIGEST)).toBe(id)
  expect(id).toMatch(/^[0-9a-f]{32}$/)
})

test('another claim or another end is another operation', () => {
  const ids = [
    endOpId('c1', 'complete', DIGEST),
    endOpId('c1', 'release', DIGEST),
    endOpId('c2', 'complete', DIGEST)
  ]

  expect(new Set(ids).size).toBe(3)
})
