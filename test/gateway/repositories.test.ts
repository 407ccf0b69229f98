import { expect, test } from 'vitest'
import { Repositories } from '../../gateway/repositories.ts'
import { repositoryAt, repositoryOf } from '../support/gateway-rig.ts'

const repositories = new Repositories([
  repositoryOf('gitea', 'team/kernel', { url: 'https://one.example/team/kernel.git' }),
  repositoryOf('gitea', 'second', { url: 'ssh://git@two.example:2222/team/kernel.git' }),
  repositoryOf('github', 'octo/kernel', { url: 'https://github.com/octo/kernel' }),
  repositoryAt('team/bare', 'git://one.example/team/bare.git')
])

function selected(forge: 'git' | 'gitea' | 'github', name: string, ...urls: readonly string[]) {
  return repositories.select(forge, { name, urls })?.name
}

test('a clone URL selects before a name does: two servers may have a name in common', () => {
  const two = 'ssh://git@two.example:2222/team/kernel.git'

  expect(selected('gitea', 'team/kernel', 'https://two.example/team/kernel.git', two)).toBe(
    'second'
  )
  expect(selected('gitea', 'team/kernel', 'https://one.example/Team/Kernel')).toBe('team/kernel')
})

test('a full name selects where no clone URL is declared, in any case', () => {
  expect(selected('gitea', 'Team/Kernel', 'http://localhost:3000/team/kernel.git')).toBe(
    'team/kernel'
  )
  expect(selected('github', 'octo/Kernel')).toBe('octo/kernel')
})

test('nothing of another forge is ever selected', () => {
  expect(selected('github', 'team/kernel', 'https://one.example/team/kernel.git')).toBeUndefined()
  expect(selected('gitea', 'team/bare', 'git://one.example/team/bare.git')).toBeUndefined()
  expect(selected('git', 'octo/kernel')).toBeUndefined()
})

test('a bare repository is selected by the very name of its entry', () => {
  expect(selected('git', 'team/bare')).toBe('team/bare')
  expect(selected('git', 'Team/Bare')).toBeUndefined()
})
