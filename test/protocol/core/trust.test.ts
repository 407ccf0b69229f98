import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type TrustRules, trustOf } from '../../../protocol/core/trust.ts'

const release: TrustRules = {
  trusts: (branch) => branch === 'main' || branch.startsWith('release/'),
  trustsTag: (tag) => tag.startsWith('v')
}
const everything: TrustRules = { trusts: () => true, trustsTag: () => true }

test.each([
  ['refs/heads/main', false, 'trusted'],
  ['refs/heads/release/1.2', false, 'trusted'],
  ['refs/heads/feature', false, 'untrusted'],
  ['refs/heads/v1', false, 'untrusted'],
  ['refs/heads/', false, 'untrusted'],
  ['refs/tags/v1', false, 'trusted'],
  ['refs/tags/main', false, 'untrusted'],
  ['refs/tags/', false, 'untrusted'],
  ['refs/tags/v1', true, 'untrusted'],
  ['main', false, 'untrusted'],
  ['refs/pull/7/head', false, 'untrusted'],
  ['refs/heads/main', true, 'untrusted']
] as const)('%s, from a fork: %s, is %s', (ref, fork, trust) => {
  expect(trustOf({ ref, fork }, release)).toBe(trust)
})

test('a fork is never trusted, whatever its owner calls the branch and the rule says', () => {
  fc.assert(
    fc.property(fc.constantFrom('heads', 'tags', 'pull'), fc.string(), (kind, name) => {
      expect(trustOf({ ref: `refs/${kind}/${name}`, fork: true }, everything)).toBe('untrusted')
    })
  )
})

test('only the short name is asked for, and a rule that trusts none is the last word', () => {
  const refs = fc.tuple(fc.constantFrom('', 'refs/heads/', 'refs/tags/'), fc.string())
  fc.assert(
    fc.property(refs, ([prefix, name]) => {
      const ref = `${prefix}${name}`
      const asked: string[] = []
      const none: TrustRules = {
        trusts: (branch) => asked.push(`refs/heads/${branch}`) < 0,
        trustsTag: (tag) => asked.push(`refs/tags/${tag}`) < 0
      }
      expect(trustOf({ ref, fork: false }, none)).toBe('untrusted')
      for (const question of asked) expect(question).toBe(ref)
    })
  )
})
