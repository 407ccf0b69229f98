import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig } from '../support/attempt-rig.ts'
import { SecondEngine } from '../support/second-engine.ts'
import { answersOf, Probe } from './probe.ts'
import { markdown, ROWS } from './table.ts'

/*
 * The same attacks in gVisor. Our filter is not applied there: what its own kernel lets through is
 * listed here, name by name, and reaches nothing of the host's.
 */

const SET_UP_MS = 180_000

/** Open in the kernel that is in the box: of its own processes, mounts, nodes and log. */
const OWN_KERNEL = [
  'clone_cgroup',
  'clone_mount',
  'clone_user',
  'io_uring',
  'mknod_block',
  'mknod_char',
  'oom_score',
  'priority',
  'ptrace',
  'syslog',
  'unshare_cgroup',
  'unshare_mount',
  'unshare_time',
  'unshare_user'
]

/** Its kernel has no such thing, or refuses it by another word than ours does. */
const REFUSALS = [
  'EACCES',
  'EAFNOSUPPORT',
  'EBUSY',
  'EINVAL',
  'ENODEV',
  'ENOENT',
  'ENOSYS',
  'ENXIO',
  'EOPNOTSUPP',
  'EPERM',
  'EROFS',
  'EXDEV'
]

/** What its files do not show; and the one that ends the box, which has a test of its own. */
const UNSEEN = ['guard_signals', 'no_new_privs']

let second: SecondEngine
let rig: AttemptRig
let probe: Probe
let commit: string
let gvisor: ReadonlyMap<string, string>

beforeAll(async () => {
  const args = ['--network=none', '--platform=ptrace']
  second = await SecondEngine.start({ runsc: { path: '/usr/bin/runsc', args } })
  const runtimes = [{ name: 'runsc', class: 'gvisor' }] as const
  rig = await AttemptRig.open({ other: { socket: second.socket, runtimes } })
  probe = await Probe.build()
  commit = await probe.commit(rig)
  const { result, lines } = await tried('./probe spare')
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  gvisor = answersOf(lines.map(({ text }) => text))
}, SET_UP_MS)

afterAll(async () => {
  await probe.remove()
  await rig.close()
  await second.stop()
})

function tried(run: string) {
  const spec = { isolation: 'gvisor' } as const
  return rig.run({ commit, trust: 'untrusted', spec, steps: [{ run }] })
}

describe("a stranger in gVisor, where root is nobody's", { timeout: SET_UP_MS }, () => {
  test('tries all that the table names but what its files do not show', () => {
    const names = ROWS.map(({ name }) => name).filter((name) => !UNSEEN.includes(name))
    expect([...gvisor.keys()].toSorted()).toEqual(names.toSorted())
  })

  test('gets from its own kernel what is listed, and nothing else is open', () => {
    const open = ROWS.filter(({ name, answers }) => {
      return gvisor.get(name) === 'OPEN' && !answers.includes('OPEN')
    })
    expect(open.map(({ name }) => name).toSorted()).toEqual(OWN_KERNEL)
  })

  test.each(ROWS.filter(({ name }) => ![...UNSEEN, ...OWN_KERNEL, 'filter_mode'].includes(name)))(
    'gets nothing by $name: $what',
    ({ name, answers }) => {
      expect([...answers, ...REFUSALS]).toContain(gvisor.get(name))
    }
  )

  test('has no filter of ours: that is not what keeps it in', () => {
    expect(gvisor.get('filter_mode')).toBe('0')
  })

  test('may end its own box by killing its guard, which the host outlives and nothing else', async () => {
    const { result } = await tried('kill -KILL 1; sleep 60')

    expect(result).toMatchObject({ kind: 'interrupted', userCodeRan: true, fault: 'job' })
    expect(await rig.left()).toEqual([])
  })

  test('and in its column is said to the reader', () => {
    const table = markdown([{ head: '`standard` in gVisor', answers: gvisor }])
    process.stdout.write(`\n${table}\n\n${ROWS.length} rows\n`)
    expect(table.split('\n')).toHaveLength(ROWS.length + 2)
  })
})
