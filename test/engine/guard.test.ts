import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig, type RunningAttempt } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'

const TEST_MS = 30_000
/** The kill budget of the default lease profile: after it another agent may start the job. */
const KILL_BUDGET_MS = 3_000
/** A guard looks five times a second; the rest is the engine and a busy machine. */
const TICK_MS = 1_500
/** Room for as many processes as there may be: the limit under test is their number. */
const WIDE = { resources: { cpuMilli: 1_000, memoryBytes: 536_870_912 } }

let rig: AttemptRig

beforeAll(async () => {
  rig = await AttemptRig.open()
})

afterAll(async () => {
  await rig.close()
})

/** Boot-clock milliseconds at which the container was first seen dead, against its deadline. */
async function deadAfterDeadline(attempt: RunningAttempt): Promise<number> {
  const name = rig.executor.containerName(attempt.input.jobId)
  await eventually('the container is dead', async () => {
    const seen = await rig.engine.inspect(name)
    return seen === undefined || !seen.running
  })
  return rig.nowMs() - attempt.input.deadlineMs()
}

async function untilSaid(attempt: RunningAttempt, text: string): Promise<void> {
  await eventually(`the job says ${text}`, () => attempt.lines.some((line) => line.text === text))
}

describe('the guard alone', { timeout: TEST_MS }, () => {
  test('ends a job that ignores SIGTERM once nobody renews its lease', async () => {
    const script = "trap '' TERM; echo ready; while :; do sleep 1; done"
    const attempt = await rig.start({ steps: [{ run: script }], deadlineInMs: 3_000 })
    await untilSaid(attempt, 'ready')
    const lateMs = await deadAfterDeadline(attempt)

    expect(lateMs).toBeGreaterThan(-50)
    expect(lateMs).toBeLessThan(TICK_MS)
    expect(await attempt.result).toMatchObject({
      kind: 'interrupted',
      reason: 'lease_lost',
      userCodeRan: true
    })
    expect(await rig.left()).toEqual([])
  })

  test('runs no user code in a container that starts after its deadline', async () => {
    const { result, lines } = await rig.run({ deadlineInMs: -1_000 })

    expect(result).toMatchObject({
      kind: 'interrupted',
      reason: 'lease_lost',
      userCodeRan: false
    })
    expect(lines.filter((line) => line.step > 0)).toEqual([])
  })

  test('refuses a deadline that is further ahead than any lease', async () => {
    const { result } = await rig.run({ deadlineInMs: 120_000 })

    expect(result).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      userCodeRan: false
    })
    expect(result).toHaveProperty('message', expect.stringContaining('the guard refused'))
  })

  test('ends the container when its deadline cannot be read any more', async () => {
    const attempt = await rig.start({ steps: [{ run: 'echo ready; sleep 60' }] })
    await untilSaid(attempt, 'ready')
    await attempt.input.deadline.remove()

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost' })
  })

  test('needs no process of its own, so that a full pids limit cannot stop it', async () => {
    // Busy in the shell itself: everything that has to fork fails by then.
    const script = '(while sleep 300 & do :; done) || :; echo full; while :; do :; done'
    const attempt = await rig.start({
      steps: [{ run: script }],
      spec: WIDE,
      deadlineInMs: 6_000
    })
    await untilSaid(attempt, 'full')
    const container = rig.executor.containerName(attempt.input.jobId)
    // The engine may put a process of its own above the limit; what that one forks may not be.
    const command = ['/bin/sh', '-c', 'sleep 9 & sleep 9 & :']
    const helper = { container, command, env: [], user: '0', workdir: '/' }
    const beside = await rig.engine.exec({ ...helper, onOutput: () => undefined })
    const lateMs = await deadAfterDeadline(attempt)

    // Or the engine's own start of it forks below the limit, and gets no further.
    const unstarted = { kind: 'not_started', cause: expect.stringContaining('unable to start') }
    expect([{ kind: 'exited', code: 2 }, unstarted], 'the limit is really full').toContainEqual(
      beside
    )
    expect(lateMs).toBeGreaterThan(-50)
    expect(lateMs).toBeLessThan(KILL_BUDGET_MS)
    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost' })
  })

  test('ends a fork bomb in time', async () => {
    // One fork of the step's own shell, before it goes off: it must not be the one that fails.
    const script = 'bomb() { bomb | bomb & }; echo ready; (bomb) & while :; do :; done'
    const attempt = await rig.start({
      steps: [{ run: script }],
      spec: WIDE,
      deadlineInMs: 4_000
    })
    await untilSaid(attempt, 'ready')

    expect(await deadAfterDeadline(attempt)).toBeLessThan(KILL_BUDGET_MS)
    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost' })
    expect(await rig.left()).toEqual([])
  })

  test('reaps what the job leaves behind, or its limit would fill with the dead', async () => {
    // Six times 250, more than the limit in all, with time to be reaped in between.
    const some = 'j=0; while [ $j -lt 250 ]; do (true &); j=$((j + 1)); done; sleep 1'
    const script = `i=0; while [ $i -lt 6 ]; do ${some}; i=$((i + 1)); done; echo $i`
    const { result, lines } = await rig.run({ steps: [{ run: script }] })

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(lines.at(-1)?.text).toBe('6')
  })

  test('cannot be killed or stopped by the job', async () => {
    const script = 'kill -KILL 1; kill -STOP 1; echo sent; sleep 60'
    const attempt = await rig.start({ steps: [{ run: script }], deadlineInMs: 3_000 })
    await untilSaid(attempt, 'sent')

    expect(await deadAfterDeadline(attempt)).toBeGreaterThan(-50)
    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost' })
  })

  test('cannot be led to another folder by a job that moves what is above its mounts', async () => {
    const script = [
      'later() { read -r up _ </proc/uptime; echo $(($' + '{up%.*} * 100 + 2000)) >$1/deadline; }',
      'mkdir -p /trap/lease; later /trap/lease',
      'mv /.runner-mesh /moved && mv /trap /.runner-mesh && echo moved',
      'while later /.runner-mesh/lease; do sleep 0.1; done'
    ].join('\n')
    const attempt = await rig.start({ steps: [{ run: script }], deadlineInMs: 3_000 })
    await untilSaid(attempt, 'moved')
    const lateMs = await deadAfterDeadline(attempt)

    expect(lateMs).toBeGreaterThan(-50)
    expect(lateMs).toBeLessThan(TICK_MS)
    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost' })
  })

  test('needs no path once it runs: a renewed job may move or remove all that it can', async () => {
    const script = [
      'mv /.runner-mesh /moved && rm -rf /moved /dev/ptmx /dev/pts/ptmx /etc /tmp 2>/dev/null || :',
      'mkdir -p /.runner-mesh/lease /.runner-mesh/busybox',
      // Many looks of a guard that looks five times a second.
      'sleep 2; echo alive'
    ].join('\n')
    const { result, lines } = await rig.run({ steps: [{ run: script }] })

    expect(lines.map(({ text }) => text)).toContain('alive')
    // With its own folder it has moved what would have read what it hands on.
    expect(result).toMatchObject({ outcome: { state: 'failed', reason: 'outputs_invalid' } })
  })

  test('cannot be given another deadline by the job', async () => {
    const script = 'echo 99999999 >/.runner-mesh/lease/deadline'
    const { result, lines } = await rig.run({ steps: [{ run: script }] })

    expect(result).toMatchObject({ outcome: { state: 'failed', reason: 'exit_code' } })
    expect(lines.some((line) => line.text.includes('Read-only file system'))).toBe(true)
  })
})
