import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { hostLimits } from '../../agent/execute/host-limits.ts'
import { AttemptLog } from '../../agent/logs/attempt-log.ts'
import { LOG_BYTES_MAX, LOG_LINE_BYTES_MAX } from '../../protocol/core/limits.ts'
import { OUTPUT_BURST_LINES, OUTPUT_LINES_PER_S } from '../../protocol/core/output-limits.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { LogStore } from '../../protocol/store/log-store.ts'
import { AttemptRig, type LoggedLine, type RunningAttempt } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import { Probe } from './probe.ts'

const TEST_MS = 60_000
const MIB = 1_048_576
const WIDE = { resources: { cpuMilli: 1_000, memoryBytes: 512 * MIB } }
const SOCKETS = 10_000
const FILES_OF_ANY_PROGRAM = 8

let rig: AttemptRig
let probe: Probe

beforeAll(async () => {
  rig = await AttemptRig.open()
  probe = await Probe.build()
})

afterAll(async () => {
  await probe.remove()
  await rig.close()
})

async function untilSaid(attempt: RunningAttempt, text: string): Promise<void> {
  await eventually(`the job says ${text}`, () => attempt.lines.some((line) => line.text === text))
}

/** A job of nobody's special, beside an attacker. */
async function expectNeighbourRuns(): Promise<void> {
  const { result } = await rig.run({ steps: [{ run: 'echo here' }] })
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
}

describe('a stranger that takes all that there is', { timeout: TEST_MS }, () => {
  test('of processes: a neighbour runs, and the bomb ends with its lease', async () => {
    const run = 'bomb() { bomb | bomb & }; echo ready; (bomb) & while :; do :; done'
    const attempt = await rig.start({ steps: [{ run }], spec: WIDE, deadlineInMs: 8_000 })
    await untilSaid(attempt, 'ready')
    await expectNeighbourRuns()

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost' })
    expect(await rig.left()).toEqual([])
  })

  test('of memory: it ends for that, and says so', async () => {
    const resources = { cpuMilli: 1_000, memoryBytes: 32 * MIB }
    const run = 'x=$(head -c 200000000 /dev/zero | tail -c 150000000)'
    const { result } = await rig.run({ steps: [{ run }], spec: { resources } })

    expect(result).toMatchObject({ outcome: { state: 'failed', reason: 'oom_killed' } })
    expect(await rig.left()).toEqual([])
  })

  test('of sockets: a neighbour runs, and none is left', async () => {
    const commit = await probe.commit(rig)
    const steps = [{ run: `./probe sockets ${SOCKETS}` }]
    const attempt = await rig.start({ commit, steps, spec: WIDE })
    await eventually('it has opened what it can', () => attempt.lines.length > 0)
    const opened = Number(attempt.lines[0]?.text.split('\t')[1])
    await expectNeighbourRuns()
    attempt.abort('cancelled')
    await attempt.result

    // As many as it asked for, where its limit of files allows that: its own memory pays for them.
    const { openFiles } = await hostLimits()
    expect(opened).toBeGreaterThanOrEqual(Math.min(SOCKETS, openFiles - FILES_OF_ANY_PROGRAM))
    expect(await rig.left()).toEqual([])
  })

  test('of the log: what is kept has an end, and says what was left out', async () => {
    const flood = await keptLog()
    const line = 'x'.repeat(4_000)
    const run = `yes ${line} | head -c ${LOG_BYTES_MAX + 8 * MIB}; echo; echo last`
    const { result } = await rig.run({ steps: [{ run }], onLogged: flood.write })
    const kept = await flood.close()

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(kept.bytes).toBeGreaterThan(LOG_BYTES_MAX / 2)
    expect(kept.bytes).toBeLessThanOrEqual(LOG_BYTES_MAX)
    expect(kept.lastLine).toMatch(/^the log is cut at \d+ bytes; left out here: \d+ lines/)
  })

  test('of the disk: it ends for that, and a neighbour writes meanwhile', async () => {
    const disks = await AttemptRig.open({ disk: 'loop' })
    onTestFinished(() => disks.close())
    const spec = { resources: { ...WIDE.resources, diskBytes: 64 * MIB } }
    const run = 'echo ready; while :; do cat /dev/zero >fill || sleep 1; done'
    const write = 'dd if=/dev/zero of=mine bs=1M count=16 2>/dev/null && wc -c <mine'
    const hog = await disks.start({ steps: [{ run, timeoutMs: 8_000 }], spec })
    await untilSaid(hog, 'ready')
    const { result, lines } = await disks.run({ steps: [{ run: write }], spec })
    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(lines.map(({ text }) => text)).toContain(String(16 * MIB))

    expect(await hog.result).toMatchObject({ outcome: { state: 'failed', reason: 'timed_out' } })
    const once = await disks.run({ steps: [{ run: 'cat /dev/zero >fill' }], spec })
    expect(once.result).toMatchObject({ outcome: { state: 'failed', reason: 'disk_limit' } })
    expect(await disks.left()).toEqual([])
  })

  test('of processes, and fails for it: its message says so', async () => {
    // The shell of the base image gives up where it cannot fork.
    const run = 'i=0; while [ $i -lt 600 ]; do sleep 30 & i=$((i + 1)); done'
    const { result } = await rig.run({ steps: [{ run }], spec: WIDE })

    expect(result).toMatchObject({
      outcome: {
        state: 'failed',
        reason: 'exit_code',
        message: expect.stringContaining('refused a process more: this job may have 512')
      }
    })
    expect(await rig.left()).toEqual([])
  })

  test('of time, and answers no SIGTERM: it is killed soon after its limit', async () => {
    const run = "trap '' TERM; echo ready; while :; do sleep 1; done"
    const startedMs = performance.now()
    const { result } = await rig.run({ steps: [{ run, timeoutMs: 1_000 }] })

    expect(result).toMatchObject({ outcome: { state: 'failed', reason: 'timed_out' } })
    expect(performance.now() - startedMs).toBeLessThan(15_000)
    expect(await rig.left()).toEqual([])
  })

  test('of whoever reads it: it is read slowly, to its last line, and a neighbour runs', async () => {
    const lines = OUTPUT_BURST_LINES + 8 * OUTPUT_LINES_PER_S
    const startedMs = performance.now()
    // What has ended is read at once: an engine's pipes and sockets hold up to 2 s of such lines.
    const run = `yes ${'x'.repeat(63)} | head -n ${lines}; echo last`
    const attempt = await rig.start({ steps: [{ run }], spec: WIDE })
    await eventually('it has to wait', () => attempt.lines.some(({ text }) => isWait(text)))
    await expectNeighbourRuns()
    const result = await attempt.result

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(performance.now() - startedMs).toBeGreaterThan(5_000)
    const said = attempt.lines.filter(({ stream }) => stream === 'out')
    expect(said.length).toBe(lines + 1)
    expect(said.at(-1)?.text).toBe('last')
    expect(attempt.lines.filter(({ text }) => isWait(text)).length).toBe(1)
  })

  test('in one line without an end: it is cut, and the job goes on', async () => {
    const run = `head -c ${16 * MIB} /dev/zero | tr '\\0' x; echo; echo last`
    const { lines } = await rig.run({ steps: [{ run }] })
    const longest = Math.max(...lines.map(({ text }) => Buffer.byteLength(text)))

    expect(longest).toBeLessThan(2 * LOG_LINE_BYTES_MAX)
    expect(lines.at(-1)?.text).toBe('last')
  })
})

function isWait(text: string): boolean {
  return text.startsWith('the step writes more than')
}

/** The agent's own log of one attempt, over a spool of this test's own. */
async function keptLog() {
  const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-flood-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const spool = new LogStore(dir)
  onTestFinished(() => spool.close())
  const [job, epoch] = ['FL00D.0', 1]
  const parts = { spool, clock: systemClock(), log: silentLog() }
  const log = new AttemptLog(parts, { job, epoch, onSpooled: () => undefined })
  return {
    write: ({ step, stream, text }: LoggedLine): void => log.write(step, stream, text),
    close: async (): Promise<{ readonly bytes: number; readonly lastLine: string }> => {
      const { lines } = await log.close()
      const page = await spool.read(job, epoch, lines, 1)
      const lastLine = page.kind === 'absent' ? '' : (page.lines.at(-1)?.text ?? '')
      return { bytes: await bytesIn(dir), lastLine }
    }
  }
}

async function bytesIn(dir: string): Promise<number> {
  const names = await readdir(dir, { recursive: true })
  const found = await Promise.all(names.map((name) => stat(join(dir, name))))
  return found.filter((one) => one.isFile()).reduce((sum, { size }) => sum + size, 0)
}
