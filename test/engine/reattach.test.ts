import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { AttemptInput, AttemptResult } from '../../agent/execute/attempt.ts'
import type { Engine } from '../../agent/execute/engine.ts'
import { WORKSPACE_INSIDE } from '../../agent/execute/sandbox-profile.ts'
import { exitCodeCommand, parseExitCode } from '../../agent/execute/step-record.ts'
import { BASE_IMAGE } from '../../deploy/base-image.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import type { Trust } from '../../protocol/core/trust.ts'
import type { AttemptProgress } from '../../protocol/store/attempt-store.ts'
import {
  AttemptRig,
  type AttemptWish,
  type LoggedLine,
  type RigOptions
} from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import type { ChildNetwork } from '../support/restarted-child.ts'

const TEST_MS = 90_000
/** What a step leaves in its box when it has done what its trap says. */
const UNDONE = `${WORKSPACE_INSIDE}/undone`
const CHILD = resolve(import.meta.dirname, '..', 'support', 'restarted-child.ts')

interface Begun extends Pick<AttemptInput, 'jobId' | 'claimId' | 'manifest' | 'spec'> {
  readonly root: string
  readonly progress: AttemptProgress
}

interface Killed {
  readonly peerId: string
  readonly begun: Begun
  /** What it had logged when it was killed. */
  readonly lines: readonly LoggedLine[]
}

/** An attempt whose process is killed with SIGKILL as soon as `isTime`. */
async function killed(
  steps: readonly { readonly run: string }[],
  isTime: (lines: readonly LoggedLine[]) => boolean,
  trust: Trust = 'trusted',
  more: Pick<ChildNetwork, 'services' | 'secrets' | 'values' | 'runner'> = {}
): Promise<Killed> {
  const peerId = `test-${randomBytes(8).toString('hex')}`
  const words = [peerId, JSON.stringify(steps), trust, JSON.stringify(more)]
  const child = spawn('node', ['--import', 'tsx', CHILD, ...words], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const lines: LoggedLine[] = []
  let begun: Begun | undefined
  for await (const text of createInterface({ input: child.stdout })) {
    const { line, ...rest } = JSON.parse(text) as { line?: LoggedLine } & Begun
    if (line === undefined) begun = rest
    else lines.push(line)
    if (isTime(lines)) child.kill('SIGKILL')
  }
  if (begun === undefined) throw new Error('the child ended before a step began')
  return { peerId, begun, lines }
}

interface GoneOn {
  readonly result: AttemptResult
  readonly lines: readonly LoggedLine[]
  /** Lines as a log would have them: what was there, and what came after. */
  readonly all: readonly LoggedLine[]
  readonly left: readonly string[]
  /** Containers of its claim that are left. */
  readonly boxes: number
  readonly containers: readonly [string | undefined, string | undefined]
}

type Ready = (engine: Engine, container: string) => Promise<boolean>

/** The first step has ended, and its exit code is kept. */
const firstStepEnded: Ready = async (engine, container) => {
  let said = ''
  await engine.exec({
    container,
    command: exitCodeCommand(1),
    env: [],
    user: '0',
    workdir: '/',
    onOutput: (_stream, bytes) => {
      said += Buffer.from(bytes).toString()
    }
  })
  return parseExitCode(said) !== undefined
}

/** Another process of the same agent goes on with it, once it is `ready`. */
async function goOn(
  dead: Killed,
  ready?: Ready,
  options: RigOptions = {},
  wish: Pick<AttemptWish, 'secrets' | 'releaseSecrets'> = {}
): Promise<GoneOn> {
  const { peerId, lines: before } = dead
  const { root } = dead.begun
  const rig = await AttemptRig.open({ peerId, root, ...options })
  try {
    const { jobId, claimId, manifest, spec, progress } = dead.begun
    const name = rig.executor.containerName(jobId)
    const first = (await rig.engine.inspect(name))?.id
    if (ready !== undefined) await eventually('it is ready', () => ready(rig.engine, name), 20_000)
    const of = (stream: 'out' | 'err'): number =>
      before.filter((line) => line.step === progress.step + 1 && line.stream === stream).length
    const resume = { progress, logged: { out: of('out'), err: of('err') } }
    const begun = { claimId, manifest, spec, resume }
    const attempt = await rig.start({ jobId, begun, ...wish })
    const second = (await rig.engine.inspect(name))?.id
    const result = await attempt.result
    const { lines } = attempt
    const all = [...before, ...lines]
    const boxes = (await rig.engine.containers({ 'runner-mesh.claim': claimId })).length
    return { result, lines, all, left: await rig.left(), boxes, containers: [first, second] }
  } finally {
    await rig.close()
    await rm(root, { recursive: true, force: true })
  }
}

const texts = (lines: readonly LoggedLine[], stream: 'out' | 'err' = 'out'): readonly string[] =>
  lines.filter((line) => line.stream === stream).map(({ text }) => text)

const counting = (to: number, each = 'sleep 0.1'): string =>
  `i=0; while [ $i -lt ${to} ]; do echo "line $i"; echo "side $i" >&2; i=$((i + 1)); ${each}; done`
const numbered = (word: string, to: number): readonly string[] =>
  Array.from({ length: to }, (_, index) => `${word} ${index}`)

const SESAME = 'sesame-of-the-runner'
const SLOT_VALUES = { secrets: { RUNNER_TOKEN: SESAME } }
const TOKEN_FILE = '/run/secrets/runner-token'
const SLOT = {
  runner: { labels: ['linux'] },
  secrets: [{ name: 'RUNNER_TOKEN', file: TOKEN_FILE }],
  values: SLOT_VALUES.secrets
}
const SLOT_RUN = `t=$(cat ${TOKEN_FILE}); echo "listens with $t"; sleep 3; echo "still has $t"`
const isListening = (lines: readonly LoggedLine[]): boolean =>
  lines.some(({ text }) => text.startsWith('listens'))

describe('a container whose agent was killed', { timeout: TEST_MS }, () => {
  test('goes on under the next process: same container, every line once, its exit code', async () => {
    const dead = await killed([{ run: `${counting(60)}; exit 7` }], (lines) => lines.length >= 20)

    const { result, all, left, containers } = await goOn(dead)

    expect(containers[0]).toBe(containers[1])
    expect(texts(all)).toEqual(numbered('line', 60))
    expect(texts(all, 'err')).toEqual(numbered('side', 60))
    expect(result).toMatchObject({
      outcome: { state: 'failed', exitCode: 7, steps: [{ state: 'failed', exitCode: 7 }] }
    })
    expect(left).toEqual([])
  })

  test("goes on as well where it is a stranger's, and nobody in it is root", async () => {
    const run = `${counting(40)}; exit 7`
    const dead = await killed([{ run }], (lines) => lines.length >= 20, 'untrusted')

    const { result, all, left, containers } = await goOn(dead)

    expect(containers[0]).toBe(containers[1])
    expect(texts(all)).toEqual(numbered('line', 40))
    expect(result).toMatchObject({ outcome: { state: 'failed', exitCode: 7 } })
    expect(left).toEqual([])
  })

  test('goes on with its services, which run on and are heard again', async () => {
    const command = ['sh', '-c', 'echo begun; while :; do echo "at $(date +%s)"; sleep 0.5; done']
    const ready = { port: undefined, command: ['true'], timeoutMs: 30_000 }
    const resources = { cpuMilli: 500, memoryBytes: 33_554_432 }
    const clock = {
      name: 'clock',
      image: BASE_IMAGE,
      env: {},
      secrets: [],
      command,
      resources,
      ready
    }
    const steps = [{ run: 'echo one; sleep 8; echo two' }]
    const isTime = (lines: readonly LoggedLine[]): boolean =>
      ['one', 'clock | begun'].every((said) => lines.some(({ text }) => text === said))
    const dead = await killed(steps, isTime, 'trusted', { services: [clock] })

    const { result, lines, all, left } = await goOn(dead)

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(texts(all).filter((text) => text === 'clock | begun')).toHaveLength(1)
    expect(texts(lines).some((text) => text.startsWith('clock | at '))).toBe(true)
    expect(lines.some(({ text }) => text.startsWith('service clock runs on'))).toBe(true)
    expect(left).toEqual([])
  })

  test('that was made by another profile than it would be now is not gone on with', async () => {
    const dead = await killed([{ run: counting(100) }], (lines) => lines.length >= 5)
    const manifest = { ...dead.begun.manifest, trust: 'untrusted' } as const

    const { result, left } = await goOn({ ...dead, begun: { ...dead.begun, manifest } })

    expect(result).toMatchObject({ kind: 'interrupted', userCodeRan: true })
    expect(left).toEqual([])
  })

  test('that is not as it would be made now is removed, and its lease given back', async () => {
    const dead = await killed([{ run: counting(100) }], (lines) => lines.length >= 5)
    const resources = { ...dead.begun.spec.resources, memoryBytes: 96 * 1_048_576 }
    const spec = { ...dead.begun.spec, resources }

    const { result, left } = await goOn({ ...dead, begun: { ...dead.begun, spec } })

    expect(result).toMatchObject({ kind: 'interrupted', fault: 'job', userCodeRan: true })
    expect(result).toHaveProperty('message', expect.stringMatching(/HostConfig.Memory is 67108864/))
    expect(left).toEqual([])
  })

  test('whose step ended meanwhile is not run again, and its later steps are', async () => {
    const steps = [{ run: `echo begin; sleep 1; ${counting(5, ':')}` }, { run: 'echo next' }]
    const dead = await killed(steps, (lines) => lines.length >= 1)

    const { result, all } = await goOn(dead, firstStepEnded)

    expect(texts(all)).toEqual(['begin', ...numbered('line', 5), 'next'])
    expect(result).toMatchObject({
      outcome: { state: 'succeeded', steps: [{ state: 'succeeded' }, { state: 'succeeded' }] }
    })
  })

  test('cancelled while its secrets cannot be had ends with its grace all the same', async () => {
    const undo = `trap "sleep 3; echo undone > ${UNDONE}; echo sesame; exit 0" TERM`
    const steps = [{ run: `${undo}; echo on; while :; do sleep 0.2; done` }]
    const secrets = [{ name: 'TOKEN', file: undefined }]
    const values = { TOKEN: 'sesame' }
    const isOn = (lines: readonly LoggedLine[]): boolean => lines.length >= 1
    const { peerId, begun } = await killed(steps, isOn, 'trusted', { secrets, values })
    const rig = await AttemptRig.open({ peerId, root: begun.root })
    onTestFinished(async () => {
      await rig.close()
      await rm(begun.root, { recursive: true, force: true })
    })
    const name = rig.executor.containerName(begun.jobId)
    const asked = Promise.withResolvers<void>()
    let undone = ''
    const resume = { progress: begun.progress, logged: { out: 1, err: 0 } }
    const attempt = await rig.start({
      jobId: begun.jobId,
      begun: { ...begun, resume },
      graceMs: 60_000,
      // Its gateway is away: nobody answers before the order to cancel comes.
      releaseSecrets: async (signal) => {
        asked.resolve()
        return await new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        })
      }
    })
    const look = eventually(
      'the step has undone what it did',
      async () => {
        const command = ['sh', '-c', `cat ${UNDONE} 2>/dev/null || true`]
        const onOutput = (_: unknown, bytes: Uint8Array): void => {
          undone += Buffer.from(bytes).toString()
        }
        const exec = { container: name, command, env: [], user: '0', workdir: '/', onOutput }
        await rig.engine.exec(exec).catch(() => undefined)
        return undone.includes('undone')
      },
      30_000
    )
    look.catch(() => undefined)
    await asked.promise
    attempt.abort('cancelled')

    await look
    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'cancelled' })
    expect(texts(attempt.lines)).toEqual([])
    expect(attempt.lines.some(({ text }) => text.includes('secrets are not known'))).toBe(true)
    expect(await rig.left()).toEqual([])
  })

  test('that is a slot hides what its runner is configured with as before', async () => {
    const dead = await killed([{ run: SLOT_RUN }], isListening, 'untrusted', SLOT)

    const { result, lines, all, containers } = await goOn(dead, undefined, {}, SLOT_VALUES)

    expect(containers[0]).toBe(containers[1])
    expect(texts(all)).toEqual(['listens with ***', 'still has ***'])
    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(JSON.stringify([lines, result])).not.toContain(SESAME)
  })

  test('that is a slot keeps nothing of its log where that cannot be hidden, and runs on', async () => {
    const dead = await killed([{ run: SLOT_RUN }], isListening, 'untrusted', SLOT)
    const forgotten = { name: 'RUNNER_TOKEN', reason: 'forgotten' }
    const releaseSecrets = () => Promise.reject(new MeshError('SECRET_REFUSED', forgotten))

    const { result, lines, left } = await goOn(dead, undefined, {}, { releaseSecrets })

    expect(texts(lines)).toEqual([])
    expect(lines.some(({ text }) => text.includes('cannot be hidden'))).toBe(true)
    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(JSON.stringify([lines, result])).not.toContain(SESAME)
    expect(left).toEqual([])
  })

  test('keeps the results of the steps before, and their time', async () => {
    const steps = [{ run: 'echo one; sleep 1' }, { run: 'echo two; sleep 2' }]
    const dead = await killed(steps, (lines) => lines.length >= 2)

    const { result, all } = await goOn(dead)

    expect(texts(all)).toEqual(['one', 'two'])
    if (result.kind !== 'outcome') throw new Error(JSON.stringify(result))
    const [first, second] = result.outcome.steps
    expect(first?.durationMs).toBeGreaterThanOrEqual(1_000)
    expect(second?.durationMs).toBeGreaterThanOrEqual(2_000)
    expect(result.outcome.durationMs).toBeGreaterThanOrEqual(3_000)
  })

  test('with much to say loses nothing of it', async () => {
    const run = 'i=0; while [ $i -lt 40000 ]; do echo "line $i"; i=$((i + 1)); done; sleep 1'
    const dead = await killed([{ run }], (lines) => lines.length >= 500)

    const { result, all } = await goOn(dead)

    expect(texts(all)).toEqual(numbered('line', 40_000))
    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  })

  test('that runs as another user than root goes on as well', async () => {
    // The base image has no other user: a step of root that has given its folder away.
    const run = 'chmod 000 /.runner-mesh/steps; echo on; sleep 2; echo off'
    const dead = await killed([{ run }], (lines) => lines.length >= 1)

    const { result, all } = await goOn(dead)

    expect(texts(all)).toEqual(['on', 'off'])
    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  })

  test('ended by its guard meanwhile is no outcome', async () => {
    const dead = await killed([{ run: 'echo on; sleep 60' }], (lines) => lines.length >= 1)
    const beside = await AttemptRig.open({ peerId: dead.peerId, root: dead.begun.root })
    const name = beside.executor.containerName(dead.begun.jobId)
    await beside.engine.kill(name, 'SIGKILL')
    await eventually(
      'it is dead',
      async () => (await beside.engine.inspect(name))?.running === false
    )

    const { result } = await goOn(dead)

    await beside.git.stop()
    expect(result).toMatchObject({ kind: 'interrupted', userCodeRan: true })
  })
})

test(
  'what may not run here any more is gone before its lease is given back',
  async () => {
    const steps = [{ run: 'echo on; sleep 60' }]
    const dead = await killed(steps, (lines) => lines.length >= 1, 'untrusted')

    const { result, boxes, containers } = await goOn(dead, undefined, { requireIsolation: 'vm' })

    expect(containers[0]).toBeDefined()
    expect(result).toMatchObject({ kind: 'interrupted', reason: 'policy_refused' })
    expect(result.left).toBeUndefined()
    expect(boxes).toBe(0)
  },
  TEST_MS
)

describe('what a job does to what is kept of it', { timeout: TEST_MS }, () => {
  const hostile = (change: string): readonly { readonly run: string }[] => [
    { run: `cd /.runner-mesh/steps; echo on; ${change}; sleep 3; echo off; exit 3` }
  ]

  test.each([
    ['a link to a file of its own', 'mv 1.out 1.old; ln -s /etc/passwd 1.out'],
    ['a pipe', 'mv 1.out 1.old; mkfifo 1.out'],
    ['more than any log', 'mv 1.out 1.old; truncate -s 1T 1.out'],
    ['a process number that is none', 'echo -1 >1.pid'],
    ['an exit code that is none', 'echo "0; reboot" >1.code'],
    ['nothing at all', 'rm -f 1.*']
  ])('as %s harms its own log and exit code only', async (_name, change) => {
    const dead = await killed(hostile(change), (lines) => lines.length >= 1)

    const { result, lines, left } = await goOn(dead)

    expect(lines.length).toBeLessThan(10_000)
    expect(['outcome', 'interrupted']).toContain(result.kind)
    expect(left).toEqual([])
  })
})
