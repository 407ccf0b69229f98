import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { GIVE_BACKS_MAX } from '../../protocol/core/limits.ts'
import { AttemptRig, type RunningAttempt } from '../support/attempt-rig.ts'
import { EngineProxy, type Treatment } from '../support/engine-proxy.ts'
import { eventually } from '../support/eventually.ts'

const TEST_MS = 60_000
/** What the limit of one call is here, instead of a minute. */
const CALL_MS_MAX = 2_000
const CLEAN_UP_MS_MAX = 300
const LOST = new MeshError('LEASE_LOST', { job: 'x', epoch: 3 })
const REAL = '/var/run/docker.sock'

let proxy: EngineProxy
let rig: AttemptRig

beforeEach(async () => {
  proxy = await EngineProxy.open(REAL)
  rig = await AttemptRig.open({
    proxy: { socket: proxy.socket, callMsMax: CALL_MS_MAX },
    cleanUpMsMax: CLEAN_UP_MS_MAX
  })
})

afterEach(async () => {
  await rig.close()
  await proxy.close()
})

function treat(pattern: RegExp, treatment: Treatment): void {
  proxy.treat = (call) => (pattern.test(call) ? treatment : undefined)
}

const answer = (status: number, message = 'as it is'): Treatment => ({
  kind: 'answer',
  status,
  message
})

async function untilSaid(attempt: RunningAttempt, text: string): Promise<void> {
  await eventually(`the job says ${text}`, () => attempt.lines.some((line) => line.text === text))
}

// Seed 20261126 of test/chaos: an agent that started then called it an error of its own, once as it
// asked what the engine is, once as it asked for what a process before it had left.
describe.each<[string, Treatment]>([
  ['goes away in its answer', { kind: 'cut' }],
  ['answers with an error', answer(500)],
  ['does not answer', { kind: 'silence' }]
])('an engine that %s is unreachable', (_, treatment) => {
  const unreachable = { code: 'ENGINE_UNREACHABLE' }

  test('as it is asked what it is', async () => {
    treat(/GET .info/, treatment)
    const engine = Engine.local(proxy.socket, CALL_MS_MAX)
    await expect(engine.info()).rejects.toMatchObject(unreachable)
  })

  test('as it is asked for what was left', async () => {
    treat(/GET .containers.json/, treatment)
    const engine = Engine.local(proxy.socket, CALL_MS_MAX)
    await expect(engine.containers({})).rejects.toMatchObject(unreachable)
  })
})

describe('an engine that never answers', { timeout: TEST_MS }, () => {
  test.each([
    ['events', /GET .events/],
    ['the making', /POST .containers.create/],
    ['the start', /POST .containers.[^/]*.start/],
    ['an inspection', /GET .containers.[^/]*.json/]
  ])('%s ends the attempt after the limit of a call, and this host rests', async (_, pattern) => {
    treat(pattern, { kind: 'silence' })
    const { result } = await rig.run()

    expect(result).toMatchObject({ kind: 'interrupted', fault: 'host', userCodeRan: false })
    expect(result).toHaveProperty('message', 'the engine did not answer in time')
  })

  test('events keeps no attempt that is not wanted any more', async () => {
    treat(/GET .events/, { kind: 'silence' })
    // A limit that this test does not live to see.
    const patient = await AttemptRig.open({
      proxy: { socket: proxy.socket, callMsMax: 10 * TEST_MS }
    })
    try {
      const attempt = await patient.start()
      await eventually('events are asked for', () => proxy.calls.includes('GET /events'))
      attempt.abort(LOST)

      expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost' })
      expect(await patient.left()).toEqual([])
    } finally {
      await patient.close()
    }
  })
})

describe('an engine that refuses', { timeout: TEST_MS }, () => {
  test.each([500, 503])('with status %i gives the job back', async (status) => {
    treat(/POST .containers.create/, answer(status))

    expect((await rig.run()).result).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      fault: 'host',
      userCodeRan: false,
      message: 'as it is'
    })
  })

  test('the making with a status of ours ends the job: every engine would', async () => {
    treat(/POST .containers.create/, answer(400))

    expect((await rig.run()).result).toMatchObject({
      outcome: { state: 'errored', reason: 'sandbox_failed', message: 'as it is' }
    })
  })

  test('for want of disk gives the job back, whatever it was asked for', async () => {
    treat(/POST .containers.create/, answer(400, 'mkdir /var/lib/x: no space left on device'))

    expect((await rig.run()).result).toMatchObject({ kind: 'interrupted', fault: 'host' })
  })

  test('a job that was given back often ends it: it is not passed round for ever', async () => {
    treat(/POST .containers.create/, answer(500))
    const { result } = await rig.run({ givenBack: GIVE_BACKS_MAX })

    expect(result).toMatchObject({ outcome: { state: 'errored', reason: 'sandbox_failed' } })
    expect(result).toHaveProperty(
      'outcome.message',
      `as it is; ${GIVE_BACKS_MAX} attempts before this one were given back, too`
    )
  })

  test('behind the deadline is a lost lease, however often the job was given back', async () => {
    treat(/POST .containers.create/, answer(500))
    const { result } = await rig.run({ givenBack: GIVE_BACKS_MAX, deadlineInMs: -1_000 })

    expect(result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost', userCodeRan: false })
    expect(result).not.toHaveProperty('fault')
  })
})

describe('an engine that goes away', { timeout: TEST_MS }, () => {
  test('under a step interrupts it: what the step would have said is not known', async () => {
    const attempt = await rig.start({ steps: [{ run: 'echo ready; sleep 60' }] })
    await untilSaid(attempt, 'ready')
    await proxy.close()

    expect(await attempt.result).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      fault: 'host',
      userCodeRan: true,
      left: expect.any(MeshError)
    })
  })

  test('after the last step leaves its outcome, and says what is left', async () => {
    treat(/DELETE .containers/, answer(500, 'device or resource busy'))
    const { result } = await rig.run({ steps: [{ name: 'test', run: 'exit 3' }] })

    expect(result).toMatchObject({
      kind: 'outcome',
      outcome: { state: 'failed', reason: 'exit_code', exitCode: 3 }
    })
    expect(result.left?.message).toContain('device or resource busy')
    proxy.treat = () => undefined
    await rig.executor.reap(async () => new Set())
    expect(await rig.left()).toEqual([])
  })
})

describe('an engine that makes something else', { timeout: TEST_MS }, () => {
  test('is found out before anything starts, and gets no jobs', async () => {
    const change = (view: { HostConfig: object }): object => ({
      ...view,
      HostConfig: { ...view.HostConfig, PidsLimit: 0 }
    })
    treat(/GET .containers.[^/]*.json/, { kind: 'change', change })
    const { result } = await rig.run()

    expect(result).toMatchObject({ kind: 'interrupted', fault: 'host', userCodeRan: false })
    expect(result).toHaveProperty(
      'message',
      expect.stringContaining('HostConfig.PidsLimit is 0, asked 512')
    )
    expect(proxy.calls.filter((call) => call.endsWith('/start'))).toEqual([])
  })
})

describe('the reaper on a slow engine', { timeout: TEST_MS }, () => {
  test('leaves alone what an attempt made that began meanwhile', async () => {
    const slow = Promise.withResolvers<void>()
    const image = await rig.engine.image('runner-mesh/busybox:1')
    await rig.engine.create(`${rig.peerId}-lost`, image?.platform ?? '', {
      Image: image?.id ?? '',
      User: '',
      WorkingDir: '/',
      Entrypoint: ['/bin/true'],
      Cmd: [],
      Env: [],
      Labels: { 'runner-mesh.peer': rig.peerId, 'runner-mesh.claim': 'lost' },
      Healthcheck: { Test: ['NONE'] },
      StopSignal: 'SIGTERM',
      StopTimeout: 1,
      Tty: false,
      OpenStdin: false,
      HostConfig: { NetworkMode: 'none', Mounts: [] }
    })
    treat(/DELETE .containers/, { kind: 'hold', until: slow.promise })
    const reaped = rig.executor.reap(async () => new Set())
    await eventually('it removes', () => proxy.calls.some((call) => call.startsWith('DELETE')))

    proxy.treat = () => undefined
    const attempt = await rig.start({ steps: [{ run: 'echo ready; sleep 60' }] })
    await untilSaid(attempt, 'ready')
    slow.resolve()

    expect(await reaped).toEqual([`${rig.peerId}-lost`])
    const name = rig.executor.containerName(attempt.input.jobId)
    expect((await rig.engine.inspect(name))?.running).toBe(true)
    attempt.abort(LOST)
    await attempt.result
    expect(await rig.left()).toEqual([])
  })
})
