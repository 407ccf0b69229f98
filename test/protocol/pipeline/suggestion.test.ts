import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nearest } from '../../../protocol/pipeline/suggestion.ts'

const KEYS = ['image', 'platform', 'resources', 'labels', 'env', 'timeout', 'on_loss', 'steps']

test.each([
  ['imgae', 'image'],
  ['stepz', 'steps'],
  ['step', 'steps'],
  ['Timeout', 'timeout'],
  ['on-loss', 'on_loss'],
  ['resource', 'resources'],
  ['envs', 'env'],
  ['tiemout', 'timeout']
])('"%s" was meant to be %s', (typed, meant) => {
  expect(nearest(typed, KEYS)).toBe(meant)
})

test.each(['', 'x', 'script', 'variables', 'emu'])('nothing is close to "%s"', (typed) => {
  expect(nearest(typed, KEYS)).toBeUndefined()
})

test('a key of a hundred thousand letters is not measured', () => {
  expect(nearest('i'.repeat(100_000), KEYS)).toBeUndefined()
})

test('a key is always nearest to itself, and one dropped letter is forgiven', () => {
  fc.assert(
    fc.property(fc.constantFrom(...KEYS), fc.nat(8), (key, at) => {
      expect(nearest(key, KEYS)).toBe(key)
      expect(nearest(key.slice(0, at) + key.slice(at + 1), KEYS)).toBe(key)
    })
  )
})
