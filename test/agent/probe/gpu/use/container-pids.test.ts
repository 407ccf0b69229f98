import { expect, test } from 'vitest'
import { HostTree } from '../../../../../agent/probe/gpu/host-tree.ts'
import { containerIn, containerPids } from '../../../../../agent/probe/gpu/use/container-pids.ts'
import { GpuHostTree } from '../../../../support/gpu-host.ts'

const ID = 'ab'.repeat(32)
const INNER = 'cd'.repeat(32)

test.each([
  ['version 2 by systemd', `0::/system.slice/docker-${ID}.scope`],
  ['version 2 by the engine', `0::/docker/${ID}`],
  ['version 1', `12:pids:/docker/${ID}\n11:memory:/docker/${ID}\n1:name=systemd:/docker/${ID}`],
  ['a parent of ours', `0::/runner-mesh/j-0/${ID}`],
  ['a container within it', `0::/docker/${ID}/docker/${INNER}`],
  ['a scope within it', `0::/system.slice/docker-${ID}.scope/init.scope`]
])('a process is in the outermost container of %s', (_what, cgroup) => {
  expect(containerIn(cgroup)).toBe(ID)
})

test.each(['0::/user.slice/user-1000.slice', '0::/', '', `0::/docker/${ID}ab`, '0::/docker/abc'])(
  'a process of %s is in none',
  (cgroup) => {
    expect(containerIn(cgroup)).toBeUndefined()
  }
)

async function hostWith(cgroup: string, folder: string): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.file('proc/100/cgroup', cgroup)
  await host.file(`${folder}/cgroup.procs`, '100\n101\n')
  await host.file(`${folder}/docker/${INNER}/cgroup.procs`, '200\n')
  await host.file('proc/300/cgroup', '0::/\n')
  return host
}

test.each([
  [`0::/docker/${ID}\n`, `sys/fs/cgroup/docker/${ID}`],
  [`0::/system.slice/docker-${ID}.scope\n`, `sys/fs/cgroup/system.slice/docker-${ID}.scope`],
  [`9:pids:/runner-mesh/j/${ID}\n`, `sys/fs/cgroup/pids/runner-mesh/j/${ID}`]
])('processes of a container are those of %s and of all below it', async (cgroup, folder) => {
  const host = await hostWith(cgroup, folder)
  expect(await containerPids(new HostTree(host.root), ID, 100)).toEqual([100, 101, 200])
})

test('where its control group may not be read, each process says whose it is', async () => {
  const host = await GpuHostTree.make()
  await host.file('proc/100/cgroup', `0::/docker/${ID}\n`)
  await host.file('proc/101/cgroup', `0::/docker/${ID}/docker/${INNER}\n`)
  await host.file('proc/102/cgroup', `0::/docker/${INNER}\n`)
  await host.file('proc/self/cgroup', `0::/docker/${ID}\n`)

  expect(await containerPids(new HostTree(host.root), ID, 100)).toEqual([100, 101])
  expect(await containerPids(new HostTree(host.root), INNER, 999)).toEqual([102])
})
