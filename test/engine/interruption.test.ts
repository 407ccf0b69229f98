import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MeshError } from '../../protocol/core/errors.ts'
import { AttemptRig, type RunningAttempt } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'

const TEST_MS = 60_000
const LOST = new MeshError('LEASE_LOST', { job: 'x', epoch: 3 })

let rig: AttemptRig

beforeAll(async () => {
  rig = await AttemptRig.open()
})

afterAll(async () => {
  await rig.close()
})

async function untilSaid(attempt: RunningAttempt, text: string): Promise<void> {
  await eventually(`the job says ${text}`, () => attempt.lines.some((line) => line.text === text))
}

async function expectNothingLeft(): Promise<void> {
  expect(await rig.left()).toEqual([])
  const names = await readdir(join(rig.root, 'workspaces')).catch(() => [])
  expect(names.filter((name) => !name.startsWith('.'))).toEqual([])
  expect(await readdir(join(rig.root, 'leases'))).toEqual([])
}

describe('an attempt that is aborted', { timeout: TEST_MS }, () => {
  test.each(['image', 'create', 'start', 'checkout', 'step'])(
    'in stage %s leaves nothing',
    async (name) => {
      const abort: { now?: () => void } = {}
      const attempt = await rig.start({
        steps: [{ run: 'sleep 60' }],
        onStage: (stage) => {
          if (stage.name === name) abort.now?.()
        }
      })
      abort.now = () => attempt.abort(LOST)
      // Stage image is reported before anybody could have listened.
      if (name === 'image') attempt.abort(LOST)

      expect(await attempt.result).toMatchObject({
        kind: 'interrupted',
        reason: 'lease_lost',
        userCodeRan: name === 'step'
      })
      await expectNothingLeft()
    }
  )

  test('while its holder writes down that user code may run, runs none', async () => {
    const abort: { now?: () => void } = {}
    const attempt = await rig.start({
      onUserCode: () => {
        abort.now?.()
        return Promise.resolve()
      }
    })
    abort.now = () => attempt.abort(LOST)

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', userCodeRan: false })
    expect(attempt.lines).toEqual([])
    await expectNothingLeft()
  })

  test('in the middle of its source leaves nothing', async () => {
    const commit = await rig.git.commitTree(async (dir) => {
      await writeFile(join(dir, 'large'), Buffer.alloc(16 * 1_048_576, 'x'))
    })
    const attempt = await rig.start({ commit })
    await Promise.all([attempt.phase('checkout'), attempt.phase('start')])
    attempt.abort(LOST)

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', userCodeRan: false })
    await expectNothingLeft()
  })

  test('for a lost lease is gone at once, whatever its steps do about SIGTERM', async () => {
    const run = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.1; done"
    const attempt = await rig.start({ steps: [{ run }] })
    await untilSaid(attempt, 'ready')
    attempt.abort(LOST)

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost' })
    expect(attempt.lines.map((line) => line.text)).not.toContain('asked')
    await expectNothingLeft()
  })

  test.each(['cancelled', 'drained'])('as %s lets its steps end by themselves', async (reason) => {
    const run = "trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    const attempt = await rig.start({ steps: [{ run }, { run: 'echo never' }] })
    await untilSaid(attempt, 'ready')
    attempt.abort(reason)

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason, userCodeRan: true })
    const said = attempt.lines.map((line) => line.text)
    expect(said).toContain('tidied')
    expect(said).not.toContain('never')
    await expectNothingLeft()
  })

  test('as cancelled with a grace has that time to tidy up', async () => {
    // Ten times what a rig's steps get without a word of it.
    const run = "trap 'sleep 5; echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    const attempt = await rig.start({ steps: [{ run }], graceMs: 30_000 })
    await untilSaid(attempt, 'ready')
    attempt.abort('cancelled')

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'cancelled' })
    expect(attempt.lines.map((line) => line.text)).toContain('tidied')
    await expectNothingLeft()
  })

  test('as cancelled with a grace is killed after it, with all its processes', async () => {
    const run = "trap '' TERM; sleep 600 & echo ready; while :; do sleep 0.1; done"
    const attempt = await rig.start({ steps: [{ run }], graceMs: 2_000 })
    await untilSaid(attempt, 'ready')
    const abortedMs = rig.nowMs()
    attempt.abort('cancelled')

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'cancelled' })
    expect(rig.nowMs() - abortedMs).toBeGreaterThanOrEqual(2_000)
    await expectNothingLeft()
  })

  test('as cancelled is gone soon even if its steps ignore SIGTERM', async () => {
    const run = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    const attempt = await rig.start({ steps: [{ run }] })
    await untilSaid(attempt, 'ready')
    attempt.abort('cancelled')

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'cancelled' })
    await expectNothingLeft()
  })
})

describe('an attempt that ends by another hand', { timeout: TEST_MS }, () => {
  test('SIGTERM before the deadline: no outcome, though the step exits 0', async () => {
    const run = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    const attempt = await rig.start({ steps: [{ run }] })
    await untilSaid(attempt, 'ready')
    attempt.terminate()

    expect(await attempt.result).toMatchObject({
      kind: 'interrupted',
      reason: 'lease_lost',
      userCodeRan: true
    })
    await expectNothingLeft()
  })

  test('its container is removed behind its back: no outcome', async () => {
    const attempt = await rig.start({ steps: [{ run: 'echo ready; sleep 60' }] })
    await untilSaid(attempt, 'ready')
    await rig.engine.remove(rig.executor.containerName(attempt.input.jobId))

    expect(await attempt.result).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      userCodeRan: true
    })
    await expectNothingLeft()
  })

  test.each([
    ['die of it', 'echo ready; sleep 60'],
    ['end as if all were well', "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"],
    ['fail of their own', "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"],
    ['pass over it', "trap 'done=1' TERM; echo ready; until [ $done ]; do sleep 0.05; done"]
  ])('its container is stopped by somebody: no outcome, though its steps %s', async (_, run) => {
    const attempt = await rig.start({ steps: [{ run: `done=; ${run}` }] })
    await untilSaid(attempt, 'ready')
    const docker = new Docker({ socketPath: rig.engine.socket })
    const name = rig.executor.containerName(attempt.input.jobId)
    // It answers when the container has ended, which is ours to do.
    const stopped = docker.getContainer(name).stop({ t: 20 })

    expect(await attempt.result).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      userCodeRan: true,
      message: expect.stringContaining('somebody else')
    })
    await stopped.catch(() => undefined)
    await expectNothingLeft()
  })

  test('SIGTERM of its own sending is its own end: the job failed', async () => {
    const attempt = await rig.start({ steps: [{ run: 'kill -TERM 1; sleep 60' }] })

    expect(await attempt.result).toMatchObject({
      outcome: { state: 'failed', reason: 'exit_code', exitCode: 143 }
    })
  })

  test('a signal that does not end it changes nothing', async () => {
    const run = 'echo ready; while ! [ -e /tmp/go ]; do sleep 0.05; done'
    const attempt = await rig.start({ steps: [{ run }] })
    await untilSaid(attempt, 'ready')
    const container = rig.executor.containerName(attempt.input.jobId)
    await new Docker({ socketPath: rig.engine.socket })
      .getContainer(container)
      .kill({ signal: 'SIGHUP' })
    const go = { container, command: ['/bin/touch', '/tmp/go'], env: [], user: '0', workdir: '/' }
    await rig.engine.exec({ ...go, onOutput: () => undefined })

    expect(await attempt.result).toMatchObject({ outcome: { state: 'succeeded' } })
  })

  test('its container is killed by somebody: no outcome', async () => {
    const attempt = await rig.start({ steps: [{ run: 'echo ready; sleep 60' }] })
    await untilSaid(attempt, 'ready')
    await rig.engine.kill(rig.executor.containerName(attempt.input.jobId), 'SIGKILL')

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'sandbox_failed' })
    await expectNothingLeft()
  })

  test('its container is removed before it was started: no outcome, and no user code', async () => {
    const attempt = await rig.start({ steps: [{ run: 'echo never' }] })
    await attempt.phase('create')
    await rig.engine.remove(rig.executor.containerName(attempt.input.jobId))

    const result = await attempt.result
    expect(attempt.lines).toEqual([])
    expect(JSON.stringify(result)).toContain('sandbox_failed')
    await expectNothingLeft()
  })
})
