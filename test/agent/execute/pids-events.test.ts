import { expect, test } from 'vitest'
import { pidsFolder, pidsRefused } from '../../../agent/execute/pids-events.ts'

test.each([
  [
    'cgroup v1',
    '12:memory:/docker/a\n7:pids:/docker/b\n0::/docker/c',
    '/sys/fs/cgroup/pids/docker/b'
  ],
  ['cgroup v2', '0::/system.slice/docker-a.scope\n', '/sys/fs/cgroup/system.slice/docker-a.scope']
])('the group that counts processes is found in %s', (_version, groups, folder) => {
  expect(pidsFolder(groups)).toBe(folder)
})

test('a process that is gone was refused nothing', async () => {
  expect(await pidsRefused(0)).toBe(0)
})
