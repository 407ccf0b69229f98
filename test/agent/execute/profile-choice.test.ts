import { expect, test } from 'vitest'
import { chooseProfile } from '../../../agent/execute/profile-choice.ts'
import { ISOLATION_LEVELS } from '../../../protocol/core/isolation.ts'

test.each([
  ['trusted', 'runc', undefined, 'standard'],
  ['untrusted', 'runc', undefined, 'strict'],
  ['trusted', 'userns', undefined, 'standard'],
  ['untrusted', 'userns', undefined, 'standard'],
  ['untrusted', 'userns', 'userns', 'standard'],
  ['trusted', 'runc', 'userns', 'standard'],
  ['untrusted', 'gvisor', 'userns', 'standard'],
  ['untrusted', 'vm', undefined, 'standard']
] as const)('%s on %s, with %s required, runs in %s', (trust, offered, required, name) => {
  expect(chooseProfile(trust, { offered, required })).toEqual({ kind: 'profile', name })
})

test.each([
  ['runc', 'userns'],
  ['runc', 'gvisor'],
  ['userns', 'gvisor'],
  ['userns', 'vm']
] as const)('an untrusted job on %s, with %s required, is refused', (offered, required) => {
  const choice = chooseProfile('untrusted', { offered, required })
  expect(choice).toEqual({ kind: 'refused', lacking: required })
})

test('no untrusted job is root of the host, whatever is offered and required', () => {
  for (const required of [undefined, ...ISOLATION_LEVELS]) {
    const choice = chooseProfile('untrusted', { offered: 'runc', required })
    expect(choice).not.toEqual({ kind: 'profile', name: 'standard' })
  }
})

test.each(ISOLATION_LEVELS)('a builder of images on %s is for trusted runs alone', (offered) => {
  for (const required of [undefined, ...ISOLATION_LEVELS]) {
    const isolation = { offered, required }
    const chosen = { kind: 'profile', name: 'builder' }
    expect(chooseProfile('trusted', isolation, { builder: true })).toEqual(chosen)
    const refused = { kind: 'stranger_builds' }
    expect(chooseProfile('untrusted', isolation, { builder: true })).toEqual(refused)
  }
})
