import { expect, test } from 'vitest'
import {
  ISOLATION_LEVELS,
  type IsolationLevel,
  lacksIsolation
} from '../../../protocol/core/isolation.ts'

test.each([
  ['untrusted', 'runc', undefined, undefined],
  ['untrusted', 'runc', 'runc', undefined],
  ['untrusted', 'runc', 'userns', 'userns'],
  ['untrusted', 'runc', 'gvisor', 'gvisor'],
  ['untrusted', 'runc', 'vm', 'vm'],
  ['untrusted', 'userns', 'userns', undefined],
  ['untrusted', 'userns', 'gvisor', 'gvisor'],
  ['untrusted', 'userns', 'vm', 'vm'],
  ['untrusted', 'gvisor', 'userns', undefined],
  ['untrusted', 'vm', 'gvisor', undefined],
  ['trusted', 'runc', 'vm', undefined]
] as const)('a job that is %s, where %s is offered and %s required, lacks %s', (...row) => {
  const [trust, offered, required, lacking] = row
  expect(lacksIsolation(trust, { offered, required })).toBe(lacking)
})

test('what is required is never satisfied by anything weaker', () => {
  const pairs = ISOLATION_LEVELS.flatMap((offered) =>
    ISOLATION_LEVELS.map((required): [IsolationLevel, IsolationLevel] => [offered, required])
  )
  for (const [offered, required] of pairs) {
    const isWeaker = ISOLATION_LEVELS.indexOf(offered) < ISOLATION_LEVELS.indexOf(required)
    expect(lacksIsolation('untrusted', { offered, required }) !== undefined).toBe(isWeaker)
  }
})
