import { expect, test } from 'vitest'
import { cloneKey } from '../../../gateway/hooks/clone-url.ts'

test.each([
  'https://git.example/Team/Kernel.git',
  'http://user@GIT.example/team/kernel',
  'ssh://git@git.example/team/kernel.git',
  'git@git.example:team/kernel.git',
  'git.example:/team/kernel.git/'
])('%s is one and the same repository', (url) => {
  expect(cloneKey(url)).toBe('git.example/team/kernel')
})

test('another port is another server', () => {
  expect(cloneKey('https://git.example:3000/team/kernel')).toBe('git.example:3000/team/kernel')
  expect(cloneKey('https://git.example:443/team/kernel')).toBe('git.example/team/kernel')
})

test.each(['', 'kernel', '/srv/git/kernel.git', 'https://', 'http://[/x'])(
  '%j is no clone URL',
  (text) => {
    expect(cloneKey(text)).toBeUndefined()
  }
)
