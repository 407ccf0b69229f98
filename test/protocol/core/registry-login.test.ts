import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  hiddenOf,
  hubFree,
  loginBytes,
  readLogin,
  registryOf,
  registryProblem
} from '../../../protocol/core/registry-login.ts'

test.each([
  ['alpine', 'docker.io', 'alpine'],
  ['library/alpine', 'docker.io', 'alpine'],
  ['docker.io/library/alpine:3', 'docker.io', 'alpine:3'],
  ['index.docker.io/team/tool', 'docker.io', 'team/tool'],
  ['docker.io/runner-mesh-pulled/a:b', 'docker.io', 'runner-mesh-pulled/a:b'],
  ['localhost/tool', 'localhost', 'localhost/tool'],
  ['localhost:5000/library/tool', 'localhost:5000', 'localhost:5000/library/tool'],
  ['registry.example/team/tool', 'registry.example', 'registry.example/team/tool'],
  ['Registry/tool', 'registry', 'Registry/tool'],
  ['host.example/docker.io/tool', 'host.example', 'host.example/docker.io/tool']
])('%s comes from %s', (image, registry, bare) => {
  expect(registryOf(image)).toBe(registry)
  expect(hubFree(image)).toBe(bare)
})

test.each(['registry.example:5000', '127.0.0.1:5000', 'localhost', 'docker.io'])(
  '%s is a registry',
  (host) => expect(registryProblem(host)).toBeUndefined()
)

test.each([
  'registry',
  'https://registry.example',
  'registry.example/team',
  'Reg.example',
  '',
  'a b.c'
])('%s is none', (host) => expect(registryProblem(host)).toContain('is no registry'))

test('the old name of docker.io is told from others', () => {
  expect(registryProblem('index.docker.io')).toContain('write that')
})

test('user and password come back, whatever the password has in it', () => {
  const user = fc.stringMatching(/^[a-z0-9@._-]{1,20}$/)
  fc.assert(
    fc.property(user, fc.string({ minLength: 1, unit: 'grapheme' }), (name, password) => {
      const bytes = loginBytes(name, new TextEncoder().encode(password))
      expect(readLogin('r.example', bytes)).toEqual({ registry: 'r.example', user: name, password })
      expect(hiddenOf(bytes).map((each) => new TextDecoder().decode(each))).toEqual([
        `${name}:${password}`,
        password
      ])
    })
  )
})

test('bytes without a user are no login', () => {
  for (const text of ['password', ':password']) {
    expect(readLogin('r.example', new TextEncoder().encode(text))).toBeUndefined()
  }
})
