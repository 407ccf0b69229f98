import { expect, test } from 'vitest'
import { HostIsolation } from '../../../agent/probe/host-isolation.ts'

const RUNSC = { name: 'runsc', program: '/usr/bin/runsc', args: ['--network=none'] }
const INFO = {
  security: new Set(['seccomp', 'userns']),
  rootDir: '/var/lib/docker/1000.1000',
  version: '20.10.24',
  runtimes: [{ name: 'runc', program: 'runc' }, RUNSC]
}
const GVISOR = { name: 'runsc', class: 'gvisor' } as const

function shown(): HostIsolation {
  const isolation = new HostIsolation(INFO, 'userns')
  isolation.shown([GVISOR])
  return isolation
}

test('a host gives what its engine gives, and what its runtimes have shown', () => {
  const isolation = new HostIsolation(INFO, 'userns')
  expect(isolation.now).toEqual({ offered: 'userns', levels: [], required: 'userns' })
  isolation.shown([GVISOR])
  expect(isolation.now).toMatchObject({ levels: ['gvisor'] })
})

test('what was sent does not change with the host', () => {
  const isolation = new HostIsolation(INFO, undefined)
  const sent = isolation.now
  isolation.shown([GVISOR])
  expect(sent).toMatchObject({ levels: [] })
})

test.each([
  ['without that runtime', { runtimes: INFO.runtimes.slice(0, 1) }],
  ['with other arguments of it', { runtimes: [{ ...RUNSC, args: ['--ignore-cgroups'] }] }],
  ['of another version', { version: '29.0.0' }]
])('an engine %s has shown nothing', (_what, change) => {
  const isolation = shown()
  // Before anybody has looked, too: a job may come first.
  expect(isolation.shownBy(INFO)).toEqual([GVISOR])
  expect(isolation.shownBy({ ...INFO, ...change })).toEqual([])
  expect(isolation.isNews({ ...INFO, ...change })).toBe(true)
  expect(isolation.now).toMatchObject({ offered: 'userns', levels: [] })
  expect(isolation.isNews({ ...INFO, ...change })).toBe(false)
})

test('an engine that maps no users any more gives less, at once', () => {
  const isolation = shown()
  expect(isolation.isNews({ ...INFO, security: new Set(['seccomp']), rootDir: '/' })).toBe(true)
  expect(isolation.offered).toBe('runc')
})

test('the same engine is no news, in whatever order it says what is on', () => {
  const isolation = shown()
  expect(isolation.isNews({ ...INFO, security: new Set(['userns', 'seccomp']) })).toBe(false)
  expect(isolation.levels).toEqual(['gvisor'])
})
