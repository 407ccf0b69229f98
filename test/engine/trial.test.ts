import { randomBytes } from 'node:crypto'
import Docker from 'dockerode'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { tryProfile } from '../../agent/probe/trial.ts'
import { EngineProxy, type Treatment } from '../support/engine-proxy.ts'

const TEST_MS = 30_000
const REAL = '/var/run/docker.sock'

let proxy: EngineProxy
let peerId: string

beforeEach(async () => {
  proxy = await EngineProxy.open(REAL)
  peerId = `test-${randomBytes(8).toString('hex')}`
})

afterEach(async () => {
  await proxy.close()
})

function treat(pattern: RegExp, treatment: Treatment): void {
  proxy.treat = (call) => (pattern.test(call) ? treatment : undefined)
}

const tried = (busybox = '/bin/busybox') =>
  tryProfile({ engine: Engine.local(proxy.socket), peerId, busybox })

/** Containers and images of this test's trials. */
async function left(): Promise<number> {
  const docker = new Docker({ socketPath: REAL })
  const filters = { label: [`runner-mesh.trial=${peerId}`] }
  const containers = await docker.listContainers({ all: true, filters })
  return containers.length + (await docker.listImages({ all: true, filters })).length
}

describe('a trial of the engine', { timeout: TEST_MS }, () => {
  test('on one that takes our filter shows nothing, and leaves nothing', async () => {
    expect(await tried()).toBeUndefined()
    expect(proxy.calls.some((call) => call.endsWith('/start'))).toBe(true)
    expect(await left()).toBe(0)
  })

  test.each<[string, RegExp, number, string]>([
    ['start', /start$/, 500, 'Decoding seccomp profile failed: unexpected end of JSON input'],
    ['start', /start$/, 500, 'seccomp is not enabled in your kernel, cannot run a custom profile'],
    ['making', /containers.create$/, 400, 'invalid --security-opt 2: "seccomp"']
  ])('that refuses the filter at the %s: no job may be taken', async (_, call, status, message) => {
    treat(call, { kind: 'answer', status, message })

    expect(await tried()).toMatchObject({
      part: 'seccomp',
      blocking: true,
      found: `the engine does not take our filter of system calls: ${message}`,
      fix: expect.stringContaining('update the container engine')
    })
    expect(await left()).toBe(0)
  })

  test('that drops the filter without a word: no job may be taken', async () => {
    const change = ({ HostConfig, ...view }: { HostConfig: object }): object => {
      return { ...view, HostConfig: { ...HostConfig, SecurityOpt: ['no-new-privileges:true'] } }
    }
    treat(/GET .containers.[^/]+.json/, { kind: 'change', change })
    const problem = await tried()

    expect(problem).toMatchObject({ part: 'engine', blocking: true })
    expect(problem?.found).toMatch(/HostConfig\.SecurityOpt is .*, asked .*seccomp=/)
    expect(problem?.found.length).toBeLessThan(500)
    expect(await left()).toBe(0)
  })

  test('that starts programs without any filter: no job may be taken', async () => {
    const change = ({ State, ...view }: { State: object }): object => {
      return { ...view, State: { ...State, ExitCode: 1 } }
    }
    treat(/GET .containers.[^/]+.json/, { kind: 'change', change })

    expect(await tried()).toMatchObject({ part: 'seccomp', blocking: true })
    expect(await left()).toBe(0)
  })

  test('that fails for another reason is said, but may be over when a job comes', async () => {
    treat(/start$/, { kind: 'answer', status: 500, message: 'no space left on device' })

    expect(await tried()).toMatchObject({
      part: 'engine',
      blocking: false,
      found: 'the engine could not start a container for a trial: no space left on device'
    })
    expect(await left()).toBe(0)
  })

  test('that goes away meanwhile is said, and rejects nothing', async () => {
    await proxy.close()

    expect(await tried()).toMatchObject({ part: 'engine', blocking: false })
  })

  test('removes what one before it had to leave', async () => {
    treat(/^DELETE/, { kind: 'answer', status: 500, message: 'busy' })
    expect(await tried()).toBeUndefined()
    expect(await left()).toBe(2)

    proxy.treat = () => undefined
    expect(await tried()).toBeUndefined()
    expect(await left()).toBe(0)
  })

  test('whose container somebody removes is said, but says nothing of the engine', async () => {
    treat(/GET .containers.[^/]+.json/, { kind: 'answer', status: 404, message: 'no such' })

    expect(await tried()).toMatchObject({
      part: 'engine',
      blocking: false,
      found: 'the engine could not start a container for a trial: somebody removed it'
    })
    expect(await left()).toBe(0)
  })
})
