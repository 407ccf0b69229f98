import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { AttemptInput, AttemptResult } from '../../../agent/execute/attempt.ts'
import type { AttemptParts } from '../../../agent/execute/attempt-parts.ts'
import { AttemptRun } from '../../../agent/execute/attempt-run.ts'
import type { JobVoice } from '../../../agent/execute/egress/journal.ts'
import type { Sandbox, StepEnd } from '../../../agent/execute/sandbox.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import type { AttemptProgress } from '../../../protocol/store/attempt-store.ts'
import { runWith } from '../../support/claim-bench.ts'
import { EGRESS_WORLD, EgressRig, getText } from '../../support/egress-rig.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const SECRET = 'sesame'
const RESOURCES = { cpuMilli: 1_000, memoryBytes: 2 ** 30 }

let clock: FakeClock
let lines: string[]
/** What was asked of the box, in its order. */
let calls: string[]
beforeEach(() => {
  clock = new FakeClock()
  lines = []
  calls = []
})

/** A box whose step, told to end, asks its job's proxy for things that have the secret in them. */
function boxOf(voice: JobVoice): Sandbox {
  const ended = Promise.withResolvers<StepEnd>()
  let rig: EgressRig | undefined
  const undo = async (): Promise<void> => {
    await rig?.send(getText(`/hook?t=${SECRET}`, 'a.example'))
    await rig?.send(getText(`http://u:${SECRET}@a.example/`, 'a.example'))
    await rig?.send(getText(`http://${SECRET}.example/`, `${SECRET}.example`))
    await rig?.send(getText('http://a.example/', 'a.example'))
    await rig?.send(`${SECRET}\r\n\r\n`)
  }
  const box: Partial<Sandbox> = {
    attach: async () => {
      calls.push('attach')
      rig = await EgressRig.open({ ...EGRESS_WORLD, policy: 'audit', voice })
      onTestFinished(async () => await rig?.close())
    },
    follow: async ({ onOutput }) => {
      onOutput('out', Buffer.from(`${SECRET}\n`))
      return await ended.promise
    },
    terminate: async () => {
      calls.push('terminate')
      await undo()
      calls.push('undone')
      ended.resolve({ kind: 'exited', code: 0, oom: false })
    },
    close: async () => {
      calls.push('close')
      rig?.proxy.close()
    }
  }
  return box as Sandbox
}

/** An attempt of an agent before this one, ended for `reason` while nobody gives its secrets. */
async function endedUnheard(reason: unknown): Promise<AttemptResult> {
  const { announcement } = runWith(RUN, 1)
  const [spec] = announcement.manifest.jobs
  if (spec === undefined) throw new Error('a run with one job has one')
  const abort = new AbortController()
  const nowMs = clock.bootMs()
  const times = { startedMs: nowMs, stepStartedMs: nowMs, jobEndMs: nowMs + 60_000 }
  const progress: AttemptProgress = { step: 0, ...times, results: [], resources: RESOURCES }
  const gone = { dir: '/nowhere', remove: async () => undefined }
  const input = {
    jobId: `${RUN}.0`,
    epoch: 1,
    givenBack: 0,
    spec: { ...spec, network: 'audit', secrets: [{ name: 'TOKEN', file: undefined }] },
    deadline: gone,
    deadlineMs: () => clock.bootMs() + 27_000,
    signal: abort.signal,
    graceMs: () => 60_000,
    onStage: () => undefined,
    onPhase: () => undefined,
    resume: { progress, logged: { out: 0, err: 0 } },
    releaseSecrets: async () => {
      abort.abort(reason)
      throw reason
    },
    log: (_step: number, _stream: string, text: string) => void lines.push(text)
  } as unknown as AttemptInput
  const parts = {
    engine: {
      inspect: async () => ({ config: { Image: 'x' }, hostConfig: { Runtime: 'runc' } }),
      image: async () => ({ id: 'x', platform: 'linux/amd64' })
    },
    clock,
    log: silentLog(),
    workspace: gone,
    agent: 'onyx',
    containerName: 'box',
    termGraceMs: 5_000,
    cleanUpMsMax: 1_000,
    ground: async () => ({ platform: 'linux/amd64' }),
    sandboxOf: (_image: unknown, _ground: unknown, voice: JobVoice) => boxOf(voice)
  } as unknown as AttemptParts
  return await new AttemptRun(parts, input).run()
}

describe('an attempt that goes on without its secrets, since it is to end,', () => {
  test.each(['cancelled', 'drained'])('has its grace: %s', async (reason) => {
    expect(await endedUnheard(reason)).toMatchObject({ kind: 'interrupted', reason })
    expect(calls).toEqual(['attach', 'terminate', 'undone', 'close'])
  })

  test('puts nothing into its log that its box could choose', async () => {
    await endedUnheard('cancelled')

    expect(lines).toEqual([expect.stringContaining('its secrets are not known to this agent')])
  })

  test.each([
    ['a lost lease', new MeshError('LEASE_LOST', { job: 'x', epoch: 1, reason: 'stale' })],
    ['lost rules', new MeshError('NETWORK_UNENFORCED', { job: 'x', cause: 'flushed' })]
  ])('has no grace for %s, and nothing is said of one', async (_name, reason) => {
    expect(await endedUnheard(reason)).toMatchObject({ kind: 'interrupted' })
    expect(calls).toEqual(['close'])
    expect(lines).toEqual([])
  })
})
