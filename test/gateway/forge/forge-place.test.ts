import { expect, test } from 'vitest'
import { placeOf } from '../../../gateway/forge/forge-place.ts'

test.each([
  ['github', 'https://github.com/team/kernel.git', 'https://api.github.com', 'team/kernel'],
  ['github', 'https://ghe.example/team/kernel', 'https://ghe.example/api/v3', 'team/kernel'],
  ['gitea', 'https://git.example/team/kernel.git', 'https://git.example/api/v1', 'team/kernel'],
  ['gitea', 'https://x.example/git/team/kernel', 'https://x.example/git/api/v1', 'team/kernel'],
  ['forgejo', 'ssh://git@x.example:2222/team/k.git', 'https://x.example/api/v1', 'team/k'],
  ['gitlab', 'https://lab.example/a/b/c/kernel.git', 'https://lab.example/api/v4', 'a/b/c/kernel'],
  ['gitea', 'http://127.0.0.1:3000/team/k.git', 'http://127.0.0.1:3000/api/v1', 'team/k']
] as const)('the API of %s for %s is at %s', (forge, url, api, path) => {
  expect(placeOf(forge, url)).toEqual({ api, path })
})

test('gateway.yaml can say where it is, and GitLab below a path is found there', () => {
  const api = 'https://x.example/lab/api/v4/'

  expect(placeOf('gitlab', 'https://x.example/lab/team/kernel.git', api)).toEqual({
    api: 'https://x.example/lab/api/v4',
    path: 'team/kernel'
  })
  expect(placeOf('gitea', 'https://x.example/team/kernel', 'https://api.x.example')).toEqual({
    api: 'https://api.x.example',
    path: 'team/kernel'
  })
})
