import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CgroupFolders } from '../../agent/execute/group/cgroup-folders.ts'
import { GROUP_PREFIX } from '../../agent/execute/group/group-keeper.ts'
import { JobGroup } from '../../agent/execute/group/job-group.ts'
import { JobGroups } from '../../agent/execute/group/job-groups.ts'
import { peerSuffix } from '../../agent/execute/peer-suffix.ts'
import { BASE_IMAGE } from '../../deploy/base-image.ts'
import type { ServiceSpec } from '../../protocol/core/run.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'

const TEST_MS = 120_000
const MIB = 1_048_576
const ROOT = '/sys/fs/cgroup'
const SERVICE: ServiceSpec = {
  name: 'web',
  image: BASE_IMAGE,
  env: {},
  secrets: [],
  command: ['sleep', '600'],
  resources: { cpuMilli: 500, memoryBytes: 32 * MIB },
  ready: { port: undefined, command: undefined, timeoutMs: 30_000 }
}

let rig: AttemptRig
let keeper: CgroupFolders
const docker = new Docker({ socketPath: '/var/run/docker.sock' })
const containers: Docker.Container[] = []
const made: string[] = []

beforeAll(async () => {
  rig = await AttemptRig.open()
  const { cgroup: version, swapLimit: swap } = await rig.engine.info()
  keeper = new CgroupFolders({ root: ROOT, version, swap })
}, TEST_MS)

afterEach(async () => {
  for (const each of containers.splice(0)) await each.remove({ force: true })
  for (const id of made.splice(0)) {
    await eventually(`group ${id} is gone`, () =>
      keeper.remove(id).then(
        () => true,
        () => false
      )
    )
  }
})

afterAll(async () => {
  await rig.close()
})

/** Folders of groups of ours in any hierarchy, whose names hold this. */
async function groupsOf(part: string): Promise<readonly string[]> {
  const hierarchies = await readdir(ROOT, { withFileTypes: true })
  const names = hierarchies
    .filter((each) => each.isDirectory())
    .map(async ({ name }) => (await readdir(join(ROOT, name))).map((one) => `${name}/${one}`))
  const all = [...(await readdir(ROOT)), ...(await Promise.all(names)).flat()]
  return all.filter((name) => name.includes(GROUP_PREFIX) && name.includes(part))
}

/** Runs a shell in a container below a group, with wider limits of its own. */
async function inGroup(parent: string, script: string): Promise<Docker.Container> {
  const container = await docker.createContainer({
    Image: BASE_IMAGE,
    Cmd: ['sh', '-c', script],
    HostConfig: { CgroupParent: parent, Memory: 256 * MIB, PidsLimit: 512, NetworkMode: 'none' }
  })
  containers.push(container)
  await container.start()
  return container
}

async function saidBy(container: Docker.Container): Promise<string> {
  return (await container.logs({ stdout: true, stderr: true })).toString()
}

describe('a job with a service', { timeout: TEST_MS }, () => {
  test('has one control group, with the limits of both together, until it ends', async () => {
    const attempt = await rig.start({
      spec: { services: [SERVICE] },
      steps: [{ run: 'echo here; sleep 600' }]
    })
    await attempt.phase('first_line')
    const id = `${peerSuffix(rig.peerId)}_${attempt.input.claimId}`
    const box = rig.executor.containerName(attempt.input.jobId)
    for (const name of [box, `${box}-web`]) {
      const found = await rig.engine.inspect(name)
      expect(found?.hostConfig['CgroupParent']).toBe(`/${GROUP_PREFIX}${id}`)
      const groups = await readFile(`/proc/${found?.pid}/cgroup`, 'utf8')
      expect(groups).toContain(`/${GROUP_PREFIX}${id}/${found?.id}`)
    }
    expect(await keeper.limitsOf(id)).toEqual({
      memoryBytes: 96 * MIB,
      cpuMilli: 1_500,
      pids: 1_024
    })

    attempt.abort('cancelled')
    await attempt.result
    expect(await rig.left()).toEqual([])
    expect(await groupsOf(attempt.input.claimId)).toEqual([])
  })

  test('has none left of an agent that was killed, and those of others are left alone', async () => {
    const groups = new JobGroups({ log: silentLog(), suffix: peerSuffix(rig.peerId) })
    await groups.learn(await rig.engine.info())
    const body = { HostConfig: { Memory: 64 * MIB, NanoCpus: 1e9, PidsLimit: 64, Mounts: [] } }
    await groups.groupOf('R.0', 'killed')?.open([body as never])
    await keeper.make('another_claim', { memoryBytes: 64 * MIB, cpuMilli: 500, pids: 64 })
    made.push('another_claim')
    expect(await groupsOf('_killed')).not.toEqual([])

    await rig.executor.reap(() => Promise.resolve(new Set(['killed'])))
    expect(await groupsOf('_killed')).not.toEqual([])
    await rig.executor.reap(() => Promise.resolve(new Set()))
    expect(await groupsOf('_killed')).toEqual([])
    expect(await groupsOf('another_claim')).not.toEqual([])
  })
})

describe('two containers of one group', { timeout: TEST_MS }, () => {
  const open = async (id: string, limits: { memoryBytes: number; pids: number }) => {
    made.push(id)
    await keeper.make(id, { ...limits, cpuMilli: 2_000 })
    return keeper.parentOf(id)
  }

  test('have no more processes together than the group may', async () => {
    const parent = await open('test_pids', { memoryBytes: 256 * MIB, pids: 40 })
    const forks = 'for i in $(seq 30); do sleep 60 & done; wait'
    const both = [await inGroup(parent, forks), await inGroup(parent, forks)]
    await eventually('one of them was refused a process', async () => {
      return (await Promise.all(both.map(saidBy))).join('').includes("can't fork")
    })
    const count = await readFile(join(ROOT, 'pids', parent, 'pids.current'), 'utf8')
    expect(Number(count)).toBeLessThanOrEqual(40)
  })

  test('have no more memory together than the group may', async () => {
    const parent = await open('test_memory', { memoryBytes: 64 * MIB, pids: 64 })
    // Each alone has room for it; a shell whose last command this were would give it back.
    const fill = 'x=$(head -c 40000000 /dev/zero | tr "\\0" x); sleep 60; echo "$x"'
    const both = [await inGroup(parent, fill), await inGroup(parent, fill)]
    await eventually('one of them was ended by the kernel', async () => {
      return (await Promise.all(both.map((each) => each.inspect()))).some(
        ({ State }) => !State.Running
      )
    })
    const most = await readFile(join(ROOT, 'memory', parent, 'memory.max_usage_in_bytes'), 'utf8')
    expect(Number(most)).toBeLessThanOrEqual(64 * MIB)
  })

  test('are not taken for a job in its group where it was changed, or they are outside', async () => {
    const body = { HostConfig: { Memory: 64 * MIB, NanoCpus: 2e9, PidsLimit: 64, Mounts: [] } }
    const parent = await open('test_proof', { memoryBytes: 64 * MIB, pids: 64 })
    const group = new JobGroup(keeper, 'R.0', 'test_proof')
    const inside = (await (await inGroup(parent, 'sleep 60')).inspect()).State.Pid
    await group.prove([body as never], [inside])

    await expect(group.prove([body as never], [inside, process.pid])).rejects.toMatchObject({
      code: 'SANDBOX_DIFFERS'
    })
    await writeFile(join(ROOT, 'pids', parent, 'pids.max'), '65')
    await expect(group.prove([body as never], [inside])).rejects.toThrow(
      /pids of .* is 65, asked 64/
    )
  })
})
