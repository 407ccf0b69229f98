import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ContainerWatch } from '../../agent/execute/container-watch.ts'
import { GUARD_EXITS } from '../../agent/execute/guard.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import { testImage } from '../support/test-image.ts'

const TEST_MS = 60_000
const MIB = 1_048_576
const IMAGE = 'runner-mesh/test-labels:1'

/** Each stands in the engine's events in place of what the engine says itself. */
const LABELS = {
  exitCode: String(GUARD_EXITS.expired),
  signal: '0',
  execID: 'f'.repeat(64),
  image: 'somebody-elses',
  name: 'somebody-elses',
  'runner-mesh.service': 'nobody',
  'runner-mesh.claim': 'another',
  'runner-mesh.profile': 'holder',
  'runner-mesh.peer': 'another',
  'runner-mesh.trial': 'another',
  huge: 'x'.repeat(2 * MIB)
}

let rig: AttemptRig
let remove: () => Promise<void>

beforeAll(async () => {
  rig = await AttemptRig.open()
  remove = await testImage(rig.engine, { name: IMAGE, config: { Labels: LABELS } })
}, TEST_MS)

afterAll(async () => {
  await rig.close()
  await remove()
})

describe('an image whose labels have the names of what the engine reports', {
  timeout: TEST_MS
}, () => {
  const spec = { image: IMAGE }

  test('runs as any other, and its steps end with their own exit codes', async () => {
    const { result } = await rig.run({ spec, steps: [{ run: 'true' }, { run: 'exit 3' }] })

    expect(result).toMatchObject({
      kind: 'outcome',
      outcome: { state: 'failed', reason: 'exit_code', exitCode: 3 }
    })
    expect(await rig.left()).toEqual([])
  })

  test('does not hide what marks a place among its events', async () => {
    const attempt = await rig.start({ spec, steps: [{ run: 'sleep 60' }] })
    await attempt.phase('source')
    const claim = { 'runner-mesh.claim': attempt.input.claimId }
    const watch = new ContainerWatch(rig.engine, claim)
    await watch.start()
    const mark = await rig.engine.mark(rig.executor.containerName(attempt.input.jobId))
    await eventually('it is seen', () => watch.hasSeen(mark))
    // That it hides the rest is known as well: else this would wait longer than a test may.
    await watch.untilEnded('unknown', 2 ** 30)

    await watch.stop()
    attempt.abort('cancelled')
    await attempt.result
  })

  test('does not make an end that somebody else brought about one of its lease', async () => {
    const attempt = await rig.start({ spec, steps: [{ run: 'sleep 60' }] })
    await attempt.phase('source')
    await rig.engine.kill(rig.executor.containerName(attempt.input.jobId), 'SIGKILL')

    const result = await attempt.result
    expect(result).toMatchObject({ kind: 'interrupted', reason: 'sandbox_failed' })
    expect(result).toHaveProperty('message', expect.stringContaining('exit code 137'))
  })

  test('does not hide that somebody else has stopped it', async () => {
    const attempt = await rig.start({
      spec,
      steps: [{ run: 'trap "exit 0" TERM; echo here; while :; do sleep 0.1; done' }]
    })
    await attempt.phase('first_line')
    await rig.engine.kill(rig.executor.containerName(attempt.input.jobId), 'SIGTERM')

    expect(await attempt.result).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      message: expect.stringContaining('stopped by somebody else')
    })
  })

  test('neither hides nor makes up that a step had too little memory', async () => {
    const short = await rig.run({ spec, steps: [{ run: 'x=$(tr "\\0" x </dev/zero)' }] })
    expect(short.result).toMatchObject({ outcome: { state: 'failed', reason: 'oom_killed' } })

    const other = await rig.run({ spec, steps: [{ run: 'kill -9 $$' }] })
    expect(other.result).toMatchObject({ outcome: { reason: 'exit_code', exitCode: 137 } })
  })

  test('is found again by whoever goes on with its job', async () => {
    const attempt = await rig.start({ spec, steps: [{ run: 'sleep 60' }] })
    await attempt.phase('source')
    const survivors = await rig.executor.survivors()
    expect(survivors).toMatchObject([{ jobId: attempt.input.jobId, state: 'running' }])

    attempt.abort('cancelled')
    await attempt.result
    expect(await rig.left()).toEqual([])
  })
})
