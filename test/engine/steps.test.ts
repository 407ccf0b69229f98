import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig } from '../support/attempt-rig.ts'

const TEST_MS = 30_000

let rig: AttemptRig

beforeAll(async () => {
  rig = await AttemptRig.open()
})

afterAll(async () => {
  await rig.close()
})

describe('the steps of a job', { timeout: TEST_MS }, () => {
  test('run one after the other, and the job succeeds with the last one', async () => {
    const steps = [{ run: 'echo one >state' }, { run: 'cat state' }]
    const { result, lines, stages } = await rig.run({ steps })

    expect(result).toMatchObject({
      outcome: { state: 'succeeded', reason: 'completed', exitCode: 0 }
    })
    expect(lines).toEqual([{ step: 2, stream: 'out', text: 'one' }])
    expect(stages).toEqual(['image', 'create', 'start', 'checkout', 'step', 'step', 'finishing'])
    expect(await rig.left()).toEqual([])
  })

  test('end with the first that fails, with its exit code', async () => {
    const steps = [{ run: 'true' }, { name: 'test', run: 'exit 3' }, { run: 'echo never' }]
    const { result, lines } = await rig.run({ steps })

    expect(result).toMatchObject({
      outcome: {
        state: 'failed',
        reason: 'exit_code',
        exitCode: 3,
        message: 'step "test" exited 3',
        steps: [{ state: 'succeeded' }, { state: 'failed', exitCode: 3 }, { state: 'not_run' }]
      }
    })
    expect(lines).toEqual([])
  })

  test('stop at their own first failing command', async () => {
    const { result, lines } = await rig.run({ steps: [{ run: 'echo a\nfalse\necho b' }] })

    expect(result).toMatchObject({ outcome: { state: 'failed', exitCode: 1 } })
    expect(lines.map((line) => line.text)).toEqual(['a'])
  })

  test('see what the mesh says of the job, and the job cannot say it otherwise', async () => {
    const env = { GREETING: 'hi $USER "x"', RUNNER_MESH_EPOCH: '99', CI: 'yes' }
    const { lines, input } = await rig.run({ steps: [{ run: 'env; pwd' }], spec: { env } })

    const text = lines.map((line) => line.text)
    expect(text).toEqual(
      expect.arrayContaining([
        'CI=yes',
        'GREETING=hi $USER "x"',
        'RUNNER_MESH=true',
        `RUNNER_MESH_JOB=${input.jobId}`,
        `RUNNER_MESH_RUN=${input.runId}`,
        'RUNNER_MESH_ATTEMPT=1',
        'RUNNER_MESH_EPOCH=3',
        'RUNNER_MESH_AGENT=rig',
        'RUNNER_MESH_REPO=team/repo',
        `RUNNER_MESH_COMMIT=${rig.commit}`,
        'RUNNER_MESH_REF=refs/heads/main',
        'RUNNER_MESH_BRANCH=main',
        'RUNNER_MESH_EVENT=push',
        expect.stringMatching(/^RUNNER_MESH_PLATFORM=linux\//),
        'RUNNER_MESH_WORKSPACE=/work',
        '/work'
      ])
    )
  })

  test('log both outputs in the order in which they wrote them', async () => {
    const one = (n: number): string => `echo out${n}; sleep 0.05; echo err${n} >&2; sleep 0.05;`
    const { lines } = await rig.run({ steps: [{ run: [1, 2, 3, 4].map(one).join('') }] })

    expect(lines.map((line) => `${line.stream} ${line.text}`)).toEqual(
      [1, 2, 3, 4].flatMap((n) => [`out out${n}`, `err err${n}`])
    )
  })

  test('may log 20 000 lines, none lost and none out of order', async () => {
    const run = 'i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i + 1)); done'
    const { lines } = await rig.run({ steps: [{ run }] })

    expect(lines).toHaveLength(20_000)
    expect(lines.every((line, index) => line.text === `line ${index}`)).toBe(true)
  })

  test('may write anything: bytes that are no text, and a last line without its end', async () => {
    const run = "printf '\\377\\376ok\\n\\000\\033[31mred\\n'; printf 'no end'"
    const { lines } = await rig.run({ steps: [{ run }] })

    expect(lines.map((line) => line.text)).toEqual([
      '\uFFFD\uFFFDok',
      '\u0000\u001B[31mred',
      'no end'
    ])
  })

  test('may close their outputs and still be waited for', async () => {
    const run = 'exec >/dev/null 2>&1; sleep 1; exit 5'
    const { result } = await rig.run({ steps: [{ run }] })

    expect(result).toMatchObject({ outcome: { exitCode: 5 } })
  })

  test('may leave a process running for the next one', async () => {
    const steps = [
      { run: '(sleep 1; echo up >/tmp/up) >/dev/null 2>&1 &' },
      { run: 'while ! [ -e /tmp/up ]; do sleep 0.1; done; cat /tmp/up' }
    ]
    const { result, lines } = await rig.run({ steps })

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(lines.map((line) => line.text)).toEqual(['up'])
  })

  test('exit with codes of the guard without being taken for it', async () => {
    const { result } = await rig.run({ steps: [{ run: 'exit 76' }] })

    expect(result).toMatchObject({ outcome: { reason: 'exit_code', exitCode: 76 } })
  })
})

describe('the time of a job', { timeout: TEST_MS }, () => {
  test('that a step may run is over: the job failed as timed out', async () => {
    const steps = [{ name: 'slow', run: 'echo on; sleep 60', timeoutMs: 700 }, { run: 'true' }]
    const { result, lines } = await rig.run({ steps })

    expect(result).toMatchObject({
      outcome: {
        state: 'failed',
        reason: 'timed_out',
        message: 'step "slow" ran longer than its 700 ms: raise its timeout',
        steps: [{ state: 'timed_out' }, { state: 'not_run' }]
      }
    })
    expect(lines.map((line) => line.text)).toEqual(['on'])
    expect(await rig.left()).toEqual([])
  })

  test('that all its steps share is over', async () => {
    const steps = [{ run: 'true' }, { name: 'slow', run: 'sleep 60', timeoutMs: 50_000 }]
    const { result } = await rig.run({ steps, spec: { timeoutMs: 1_000 } })

    expect(result).toMatchObject({
      outcome: {
        reason: 'timed_out',
        message: 'the job ran longer than its 1000 ms, in step "slow": raise its timeout'
      }
    })
  })

  test('is over for a job that ignores SIGTERM, too', async () => {
    const run = "trap '' TERM; echo on; while :; do sleep 1; done"
    const { result } = await rig.run({ steps: [{ run, timeoutMs: 700 }] })

    expect(result).toMatchObject({ outcome: { reason: 'timed_out' } })
    expect(await rig.left()).toEqual([])
  })

  test('leaves a step that ends on SIGTERM its last words', async () => {
    const run = "trap 'echo tidied; exit 0' TERM; echo on; while :; do sleep 0.05; done"
    const { result, lines } = await rig.run({ steps: [{ run, timeoutMs: 700 }] })

    expect(result).toMatchObject({ outcome: { reason: 'timed_out' } })
    const said = lines.map((line) => line.text)
    expect(said[0]).toBe('on')
    // The shell may say of its own that the sleep was terminated.
    expect(said).toContain('tidied')
  })
})
