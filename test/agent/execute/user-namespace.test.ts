import { expect, test } from 'vitest'
import { isolationOf, userNamespaceOf } from '../../../agent/execute/user-namespace.ts'

const PLAIN = '/var/lib/docker'

test.each([
  [['seccomp', 'cgroupns'], PLAIN, undefined, 'runc'],
  [
    ['seccomp', 'userns'],
    `${PLAIN}/100000.100000`,
    { kind: 'remap', base: 100_000, groupBase: 100_000 },
    'userns'
  ],
  [
    ['userns'],
    `${PLAIN}/231072.65536/`,
    { kind: 'remap', base: 231_072, groupBase: 65_536 },
    'userns'
  ],
  [
    ['rootless', 'seccomp'],
    '/home/ci/.local/share/docker',
    { kind: 'rootless', base: 0, groupBase: 0 },
    'userns'
  ],
  // What does not say which users it maps to is taken for an engine that maps none.
  [['userns'], PLAIN, undefined, 'runc'],
  [['userns'], `${PLAIN}/0.0`, undefined, 'runc'],
  // A folder that only looks like it.
  [['seccomp'], `${PLAIN}/100000.100000`, undefined, 'runc']
] as const)('an engine with %j under %s has %j, which is %s', (names, rootDir, found, level) => {
  const info = { security: new Set<string>(names), rootDir }

  expect(userNamespaceOf(info)).toEqual(found)
  expect(isolationOf(info)).toBe(level)
})
