import { expect, test } from 'vitest'
import { chooseProfile } from '../../../agent/execute/profile-choice.ts'
import { ISOLATION_LEVELS, type IsolationWish } from '../../../protocol/core/isolation.ts'

const job = (trust: IsolationWish['trust'], isolation?: IsolationWish['spec']['isolation']) => ({
  trust,
  spec: { network: 'none', labels: {}, isolation } as const
})

const building = (trust: IsolationWish['trust']): IsolationWish => {
  return { trust, spec: { network: 'none', labels: {}, builder: true } }
}

test.each([
  ['trusted', 'runc', undefined, 'standard'],
  ['untrusted', 'runc', undefined, 'strict'],
  ['trusted', 'userns', undefined, 'standard'],
  ['untrusted', 'userns', undefined, 'standard'],
  ['untrusted', 'userns', 'userns', 'standard'],
  ['trusted', 'runc', 'userns', 'standard']
] as const)('%s on %s, with %s required, runs in %s', (trust, offered, required, name) => {
  const choice = chooseProfile(job(trust), { offered, required })
  expect(choice).toEqual({ kind: 'profile', name, runtimeLevel: undefined })
})

test.each([
  ['runc', 'userns'],
  ['runc', 'gvisor'],
  ['userns', 'gvisor'],
  ['userns', 'vm']
] as const)('an untrusted job on %s, with %s required, is refused', (offered, required) => {
  const choice = chooseProfile(job('untrusted'), { offered, required })
  expect(choice).toEqual({ kind: 'refused', lacking: required })
})

test("a runtime that fulfils the owner's wish is picked, and root there is nobody's", () => {
  const isolation = { offered: 'runc', levels: ['gvisor'], required: 'gvisor' } as const
  const choice = { kind: 'profile', name: 'standard', runtimeLevel: 'gvisor' }
  expect(chooseProfile(job('untrusted'), isolation)).toEqual(choice)
  expect(chooseProfile(job('trusted', 'gvisor'), isolation)).toEqual(choice)
  // Nobody wants it for this one, and each step costs speed.
  expect(chooseProfile(job('trusted'), isolation)).toMatchObject({ runtimeLevel: undefined })
})

test('no untrusted job is root of the host, whatever is offered and required', () => {
  for (const required of [undefined, ...ISOLATION_LEVELS]) {
    const choice = chooseProfile(job('untrusted'), { offered: 'runc', required })
    expect(choice).not.toMatchObject({ kind: 'profile', name: 'standard' })
  }
})

test.each(ISOLATION_LEVELS)('a builder of images on %s is for trusted runs alone', (offered) => {
  for (const required of [undefined, ...ISOLATION_LEVELS]) {
    const isolation = { offered, required }
    const chosen = { kind: 'profile', name: 'builder', runtimeLevel: undefined }
    expect(chooseProfile(building('trusted'), isolation)).toEqual(chosen)
    const refused = { kind: 'stranger_builds' }
    expect(chooseProfile(building('untrusted'), isolation)).toEqual(refused)
  }
})
