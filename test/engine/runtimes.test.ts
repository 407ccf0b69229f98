import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { reapTrials } from '../../agent/execute/reaping.ts'
import { runtimeFor } from '../../agent/execute/runtime.ts'
import { tryRuntimes } from '../../agent/probe/runtimes.ts'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { AttemptRig, type RunningAttempt } from '../support/attempt-rig.ts'
import { EngineProxy } from '../support/engine-proxy.ts'
import { eventually } from '../support/eventually.ts'
import { SecondEngine } from '../support/second-engine.ts'

/* A real engine with runtimes that work, that do not, and that are not what they are called. */

const TEST_MS = 90_000
const KILL_BUDGET_MS = LEASE_PROFILES.default.killBudgetMs
const CHILD = resolve(import.meta.dirname, '..', 'support', 'trial-child.ts')
const RUNSC = '/usr/bin/runsc'
const WORKS = ['--network=none', '--platform=ptrace']
/** Long enough for a start of gVisor; one that hangs is waited for as long. */
const CALL_MS_MAX = 10_000
const HANGING_CALL_MS_MAX = 1_000

const ASKING = { isolation: 'gvisor' } as const

const clock = systemClock()

let second: SecondEngine
let proxy: EngineProxy
let peerId: string

beforeAll(async () => {
  second = await SecondEngine.start({
    runsc: { path: RUNSC, args: WORKS },
    'runsc-loose': { path: RUNSC, args: [...WORKS, '--ignore-cgroups'] },
    'runsc-bare': { path: RUNSC },
    'kata-runtime': { path: '/usr/bin/kata-runtime' },
    // What an engine before 23 makes of a shim that it does not know: its own runtime.
    'kata-shim': { script: 'exec runc "$@"' },
    'kata-other': { script: `exec ${RUNSC} ${WORKS.join(' ')} "$@"` },
    'kata-hangs': { script: 'while :; do sleep 1; done' },
    'sysbox-runc': { script: 'echo "sysbox-fs is not running" >&2; exit 1' },
    'sysbox-shared': { script: 'exec runc "$@"' }
  })
})

afterAll(async () => {
  await second.stop()
})

beforeEach(async () => {
  proxy = await EngineProxy.open(second.socket)
  peerId = `test-${randomBytes(8).toString('hex')}`
})

afterEach(async () => {
  await proxy.close()
})

/** As if the engine had no other runtime beside its own. */
function only(name: string): void {
  const change = ({ Runtimes, ...info }: { Runtimes: Record<string, object> }): object => {
    return { ...info, Runtimes: { runc: Runtimes['runc'], [name]: Runtimes[name] } }
  }
  proxy.treat = (call) => (/GET .*\/info/.test(call) ? { kind: 'change', change } : undefined)
}

async function tried(name: string, callMsMax = CALL_MS_MAX) {
  only(name)
  const engine = Engine.local(proxy.socket, callMsMax)
  const workspaces = join(second.root, 'workspaces')
  const parts = { engine, peerId, busybox: '/bin/busybox', workspaces, clock }
  const shown = await tryRuntimes(parts, KILL_BUDGET_MS, new AbortController().signal)
  return { ...shown, found: shown.problems.map(({ found }) => found) }
}

/** Containers and images of this test's trials, and processes of any container of this engine. */
async function left(): Promise<readonly string[]> {
  const engine = Engine.local(second.socket)
  const labels = { 'runner-mesh.trial': peerId }
  const containers = (await engine.containers(labels)).map(({ name }) => name)
  return [...containers, ...(await engine.images(labels)), ...runtimeProcesses()]
}

function runtimeProcesses(): readonly string[] {
  const task = join(second.root, 'exec', 'containerd', 'daemon')
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandOf(pid))
    .filter((command) => command.includes(task) || command.includes('-namespace moby -id'))
    .filter((command) => command.includes(second.root))
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

describe('a trial of a runtime', { timeout: TEST_MS }, () => {
  test('that is gVisor, keeps limits and is ended by either half of the lifeline offers it', async () => {
    const { offered, problems } = await tried('runsc')

    expect(problems).toEqual([])
    expect(offered).toEqual([{ name: 'runsc', class: 'gvisor' }])
    expect(runtimeFor('gvisor', offered)).toBe('runsc')
    expect(await left()).toEqual([])
  })

  test.each<[string, string, RegExp]>([
    [
      'that cannot start here, and ends what it leaks',
      'runsc-bare',
      /root network namespace.*left/
    ],
    ['outside of its control group', 'runsc-loose', /no limit holds/],
    ['that is not installed', 'kata-runtime', /kata-runtime: no such file/],
    ["on the host's own kernel", 'kata-shim', /runs on the host's own kernel/],
    ['that is another one than its name says', 'kata-other', /says that it is gVisor/],
    ['that fails', 'sysbox-runc', /exit status 1/],
    ['without users of its own', 'sysbox-shared', /root in it is the host's root/]
  ])('%s refuses it and says why', async (_, name, why) => {
    const { offered, problems, found } = await tried(name)

    expect(offered).toEqual([])
    expect(found).toEqual([expect.stringMatching(why)])
    expect(found[0]).toContain(`runtime ${name} is not offered: `)
    expect(problems).toMatchObject([{ part: 'runtime', blocking: false }])
    expect(await left()).toEqual([])
  })

  test('that hangs refuses it, and leaves neither the engine nor a process hanging', async () => {
    const { offered, found } = await tried('kata-hangs', HANGING_CALL_MS_MAX)

    expect(offered).toEqual([])
    expect(found).toEqual([expect.stringContaining('the engine did not answer in time')])
    expect(await left()).toEqual([])
  })

  test('that was killed in the middle leaves nothing once the next one has begun', async () => {
    only('runsc-bare')
    const workspaces = join(second.root, 'workspaces')
    const words = ['--import', 'tsx', CHILD, proxy.socket, peerId, workspaces]
    const child = spawn('node', words, { stdio: ['ignore', 'ignore', 'inherit'] })
    try {
      await eventually('it has started one', () => runtimeProcesses().length > 0, 40_000)
    } finally {
      child.kill('SIGKILL')
    }
    // As the reaper does: the engine knows nothing of what its runtime has left then.
    const engine = Engine.local(second.socket)
    const gone = async (): Promise<boolean> => {
      await reapTrials(engine, peerId)
      return (await engine.containers({ 'runner-mesh.trial': peerId })).length === 0
    }
    await eventually('its container is gone', gone, 20_000)

    expect(await tried('runc')).toMatchObject({ offered: [], problems: [] })
    expect(await left()).toEqual([])
  })

  test('that nobody registered is none: an engine with its own alone is not touched', async () => {
    expect(await tried('runc')).toEqual({ offered: [], problems: [], found: [] })
    expect(proxy.calls.filter((call) => call.startsWith('POST'))).toEqual([])
  })
})

describe('a job in gVisor', { timeout: TEST_MS }, () => {
  let rig: AttemptRig

  beforeEach(async () => {
    const runtimes = [{ name: 'runsc', class: 'gvisor' }] as const
    rig = await AttemptRig.open({ other: { socket: second.socket, runtimes } })
  })

  afterEach(async () => {
    await rig.close()
  })

  async function untilSaid(attempt: RunningAttempt, text: string): Promise<void> {
    const said = (): boolean => attempt.lines.some((line) => line.text === text)
    await eventually(`the job says ${text}`, said, 30_000)
  }

  test('runs to its end on another kernel than the host', async () => {
    const steps = [{ run: 'dmesg | head -n 1; cat README.md; echo to err >&2' }, { run: 'exit 3' }]
    const { result, lines } = await rig.run({ steps, spec: ASKING })

    expect(result).toMatchObject({ outcome: { state: 'failed', exitCode: 3 } })
    const said = lines.filter(({ step }) => step > 0).map(({ text }) => text)
    // Two pipes: which of them speaks first is nobody's promise.
    expect(said).toEqual(
      expect.arrayContaining(['hello', 'to err', expect.stringContaining('Starting gVisor')])
    )
    expect(await rig.left()).toEqual([])
  })

  test('is ended by its guard when its lease is over, though its clock is not the host’s', async () => {
    const run = "trap '' TERM; echo ready; while :; do sleep 1; done"
    const wish = { steps: [{ run }] }
    const attempt = await rig.start({ ...wish, spec: ASKING, deadlineInMs: 6_000 })
    await untilSaid(attempt, 'ready')
    const name = rig.executor.containerName(attempt.input.jobId)
    const isDead = async (): Promise<boolean> => !(await rig.engine.inspect(name))?.running
    await eventually('its container is dead', isDead, 20_000)
    const lateMs = rig.nowMs() - attempt.input.deadlineMs()

    expect(lateMs).toBeGreaterThan(-50)
    expect(lateMs).toBeLessThan(KILL_BUDGET_MS)
    expect(await attempt.result).toMatchObject({
      kind: 'interrupted',
      reason: 'lease_lost',
      userCodeRan: true,
      message: 'the guard ended the container: its lease was over'
    })
    expect(await rig.left()).toEqual([])
  })
})
