import fc from 'fast-check'
import { expect, test } from 'vitest'
import { trustOf } from '../../../protocol/core/trust.ts'

const isRelease = (branch: string): boolean => branch === 'main' || branch.startsWith('release/')
const everything = (): boolean => true

test.each([
  ['refs/heads/main', false, 'trusted'],
  ['refs/heads/release/1.2', false, 'trusted'],
  ['refs/heads/feature', false, 'untrusted'],
  ['refs/heads/', false, 'untrusted'],
  ['refs/tags/main', false, 'untrusted'],
  ['main', false, 'untrusted'],
  ['refs/pull/7/head', false, 'untrusted'],
  ['refs/heads/main', true, 'untrusted']
] as const)('%s, from a fork: %s, is %s', (ref, fork, trust) => {
  expect(trustOf({ event: 'push', ref, fork }, isRelease)).toBe(trust)
})

test('a fork is never trusted, whatever its owner calls the branch and the rule says', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const ref = `refs/heads/${name}`
      expect(trustOf({ event: 'push', ref, fork: true }, everything)).toBe('untrusted')
    })
  )
})

test('only the short name of a branch is asked for, and a rule that trusts none is the last word', () => {
  fc.assert(
    fc.property(fc.string(), (ref) => {
      const asked: string[] = []
      const trusts = (branch: string): boolean => asked.push(branch) < 0
      expect(trustOf({ event: 'push', ref, fork: false }, trusts)).toBe('untrusted')
      for (const branch of asked) expect(ref).toBe(`refs/heads/${branch}`)
    })
  )
})
