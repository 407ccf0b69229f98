import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ContainerBody } from '../../../agent/execute/engine-types.ts'
import { CgroupFolders } from '../../../agent/execute/group/cgroup-folders.ts'
import type { GroupKeeper } from '../../../agent/execute/group/group-keeper.ts'
import { isBelow, togetherOf } from '../../../agent/execute/group/job-group.ts'
import { JobGroups } from '../../../agent/execute/group/job-groups.ts'
import { SystemdSlices } from '../../../agent/execute/group/systemd-slices.ts'
import { silentLog } from '../../../protocol/host/log.ts'

const LIMITS = { memoryBytes: 67_108_864, cpuMilli: 1_500, pids: 1_024 }

let root = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'runner-mesh-groups-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const bodyOf = (HostConfig: object): ContainerBody => ({ HostConfig }) as ContainerBody

test('the limits of a group are those of all its containers together', () => {
  const job = bodyOf({ Memory: 1_000_000, NanoCpus: 1_000_000_000, PidsLimit: 512 })
  const service = bodyOf({ Memory: 500_000, NanoCpus: 250_000_000, PidsLimit: 512 })

  expect(togetherOf([job, service])).toEqual({
    // In whole pages of 64 KiB.
    memoryBytes: 22 * 65_536,
    cpuMilli: 1_250,
    pids: 1_024
  })
})

describe('a process is below a group', () => {
  test('with each controller that has a limit of it, or with the one folder there is', () => {
    const old =
      '8:pids:/runner-mesh-a/c\n4:memory:/runner-mesh-a/c\n1:cpu,cpuacct:/runner-mesh-a/c\n0::/'
    const whole = '0::/runner.slice/runner-mesh.slice/runner-mesh-a.slice/docker-c.scope\n'

    expect(isBelow('/runner-mesh-a', old)).toBe(true)
    expect(isBelow('runner-mesh-a.slice', whole)).toBe(true)
  })

  test('not with one of them outside, another whose name begins so, or where none is known', () => {
    const half = '8:pids:/docker/c\n4:memory:/runner-mesh-a/c\n1:cpu:/runner-mesh-a/c'

    expect(isBelow('/runner-mesh-a', half)).toBe(false)
    expect(isBelow('/runner-mesh-a', '0::/runner-mesh-ab/c')).toBe(false)
    expect(isBelow('/runner-mesh-a', '')).toBe(false)
  })
})

test('a group of cgroup v2 has what was asked in the one folder, and no swap', async () => {
  const groups = new CgroupFolders({ root, version: 2, swap: true })
  await groups.make('one', LIMITS)
  const said = (name: string) => readFile(join(root, 'runner-mesh-one', name), 'utf8')

  expect(await readFile(join(root, 'cgroup.subtree_control'), 'utf8')).toBe('+cpu +memory +pids')
  expect(await said('cpu.max')).toBe('150000 100000')
  expect(await said('memory.swap.max')).toBe('0')
  expect(await groups.limitsOf('one')).toEqual(LIMITS)
})

/** A service manager of a few lines: it keeps units and what is set of them as files. */
const SYSTEMCTL = `#!/bin/sh
verb=$1; shift
case $verb in
set-property)
  [ "$1" = --runtime ] || exit 1
  unit=$2; shift 2; mkdir -p "$HERE/units"; : >"$HERE/units/$unit"
  mkdir -p "$HERE/runner.slice/$unit"; cd "$HERE/runner.slice/$unit"
  for each; do case $each in
    MemoryMax=*) echo "\${each#*=}" >memory.max ;;
    MemorySwapMax=*) echo "\${each#*=}" >memory.swap.max ;;
    TasksMax=*) echo "\${each#*=}" >pids.max ;;
    CPUQuota=150%) echo 150000 100000 >cpu.max ;;
    CPUQuota=50%) echo 50000 100000 >cpu.max ;;
    *) echo "what is $each" >&2; exit 1 ;;
  esac; done; : >cgroup.procs ;;
start) [ -e "$HERE/units/$1" ] ;;
show) [ -e "$HERE/units/$3" ] && echo "/runner.slice/$3" || echo ;;
stop) rm -r "$HERE/runner.slice/$1" ;;
revert) rm "$HERE/units/$1" ;;
list-units) cd "$HERE/units" && for each in *; do echo "$each loaded active active Slice"; done ;;
*) exit 1 ;;
esac
`

describe('a slice of the service manager', () => {
  let slices: SystemdSlices
  beforeEach(async () => {
    const program = join(root, 'systemctl')
    await mkdir(join(root, 'units'))
    await writeFile(program, SYSTEMCTL.replaceAll('$HERE', root))
    await chmod(program, 0o755)
    slices = new SystemdSlices({ root, version: 2, swap: true, program })
  })

  test('is told its limits, found by its name, and gone with all that was set', async () => {
    await slices.make('a_1', LIMITS)
    expect(slices.parentOf('a_1')).toBe('runner-mesh-a_1.slice')
    expect(await slices.limitsOf('a_1')).toEqual(LIMITS)
    expect(await slices.ids('a_')).toEqual(['a_1'])

    await slices.remove('a_1')
    expect(await slices.ids('a_')).toEqual([])
  })

  test('is not stopped while a process is in it, which would stop that', async () => {
    await slices.make('a_1', LIMITS)
    const scope = join(root, 'runner.slice', 'runner-mesh-a_1.slice', 'docker-c.scope')
    await mkdir(scope)
    await writeFile(join(scope, 'cgroup.procs'), '17\n')

    await expect(slices.remove('a_1')).rejects.toThrow(/is in use/)
  })
})

describe('whether jobs have groups here', () => {
  const info = {
    cgroup: 2,
    cgroupDriver: 'cgroupfs',
    security: new Set<string>(),
    swapLimit: true
  } as const
  const groupsOf = (keeper: Partial<GroupKeeper>) =>
    new JobGroups({ log: silentLog(), suffix: 'p', keeperOf: () => keeper as GroupKeeper })
  const works: GroupKeeper = {
    parentOf: (id) => `/runner-mesh-${id}`,
    make: async () => undefined,
    limitsOf: async () => ({ memoryBytes: 67_108_864, cpuMilli: 500, pids: 64 }),
    remove: async () => undefined,
    ids: async () => []
  }

  test('is known once one was made, found as asked, and removed', async () => {
    const groups = groupsOf(works)
    expect(groups.groupOf('R.0', 'c')).toBeUndefined()
    await groups.learn(info)
    expect(groups.groupOf('R.0', 'c')?.parent).toBe('/runner-mesh-p_c')
  })

  test.each([
    ['cannot be made', { make: () => Promise.reject(new Error('read-only file system')) }],
    ['has other limits than asked', { limitsOf: async () => ({ ...LIMITS, pids: 1 }) }],
    ['cannot be removed', { remove: () => Promise.reject(new Error('busy')) }]
  ])('where one %s there are none, and no job fails of that', async (_what, broken) => {
    const groups = groupsOf({ ...works, ...broken })
    await groups.learn(info)
    expect(groups.groupOf('R.0', 'c')).toBeUndefined()
  })

  test('for an engine of a user, or a driver that is not known, there are none', async () => {
    for (const other of [{ security: new Set(['rootless']) }, { cgroupDriver: '' }]) {
      const groups = new JobGroups({ log: silentLog(), suffix: 'p' })
      await groups.learn({ ...info, ...other })
      expect(groups.groupOf('R.0', 'c')).toBeUndefined()
    }
  })
})
