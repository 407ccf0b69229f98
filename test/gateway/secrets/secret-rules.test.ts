import { expect, test } from 'vitest'
import {
  ruleAgainst,
  type SecretRules,
  type SecretRun
} from '../../../gateway/secrets/secret-rules.ts'
import type { Trust } from '../../../protocol/core/trust.ts'

const open: SecretRules = { events: ['push'], branches: [], images: [] }
const at = (ref: string, trust: Trust = 'trusted'): SecretRun => {
  const event = ref.startsWith('refs/tags/') ? 'tag' : 'push'
  return { origin: { ref, event }, trust }
}

test('without rules every push to the repository may have it', () => {
  expect(ruleAgainst(open, at('refs/heads/topic/x'), 'alpine:3.22')).toBeUndefined()
})

test('a run that is not trusted never has it, whatever its own rules say', () => {
  expect(ruleAgainst(open, at('refs/heads/main', 'untrusted'), 'alpine')).toBe('untrusted')
})

test('an event that it is not for does not have it, and a tag is an event of its own', () => {
  expect(ruleAgainst({ ...open, events: [] }, at('refs/heads/main'), 'alpine')).toBe('event')
  expect(ruleAgainst(open, at('refs/tags/v1'), 'alpine')).toBe('event')
  const tags = { ...open, events: ['tag'] }
  expect(ruleAgainst(tags, at('refs/tags/v1'), 'alpine')).toBeUndefined()
  expect(ruleAgainst(tags, at('refs/heads/v1'), 'alpine')).toBe('event')
})

test('a pull request has it only where a rule is for those, and is on no branch', () => {
  const origin = { ref: 'refs/pull/7/head', event: 'pull_request' } as const
  const rules = { ...open, events: ['pull_request'] }
  expect(ruleAgainst(open, { origin, trust: 'trusted' }, 'alpine')).toBe('event')
  expect(ruleAgainst(rules, { origin, trust: 'trusted' }, 'alpine')).toBeUndefined()
  expect(ruleAgainst(rules, { origin, trust: 'untrusted' }, 'alpine')).toBe('untrusted')
  const onMain = { ...rules, branches: ['main', '**'] }
  expect(ruleAgainst(onMain, { origin, trust: 'trusted' }, 'alpine')).toBe('branch')
})

test('branches are patterns over the whole name, and a tag is no branch', () => {
  const rules = { ...open, events: ['push', 'tag'], branches: ['main', 'release/*'] }
  expect(ruleAgainst(rules, at('refs/heads/release/1'), 'alpine')).toBeUndefined()
  expect(ruleAgainst(rules, at('refs/heads/release/1/x'), 'alpine')).toBe('branch')
  expect(ruleAgainst(rules, at('refs/heads/mainly'), 'alpine')).toBe('branch')
  expect(ruleAgainst(rules, at('refs/tags/main'), 'alpine')).toBe('branch')
})

test('images are patterns over the reference as the job writes it', () => {
  const rules = { ...open, images: ['ghcr.io/team/*'] }
  expect(ruleAgainst(rules, at('refs/heads/main'), 'ghcr.io/team/build:1')).toBeUndefined()
  expect(ruleAgainst(rules, at('refs/heads/main'), 'ghcr.io/other/build:1')).toBe('image')
})
