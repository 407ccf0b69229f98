import type { AttemptInput, AttemptResult } from '../../agent/execute/attempt.ts'
import type { AttemptParts } from '../../agent/execute/attempt-parts.ts'
import { AttemptRun } from '../../agent/execute/attempt-run.ts'
import type { JobVoice } from '../../agent/execute/egress/journal.ts'
import type { Sandbox } from '../../agent/execute/sandbox.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { AttemptProgress } from '../../protocol/store/attempt-store.ts'
import { runWith } from './claim-bench.ts'
import type { FakeClock } from './fake-clock.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const RESOURCES = { cpuMilli: 1_000, memoryBytes: 2 ** 30 }

export interface ResumedAttempt {
  readonly clock: FakeClock
  readonly boxOf: (voice: JobVoice) => Sandbox
  readonly spec: Partial<JobSpec>
  readonly input: Partial<AttemptInput>
}

/** Goes on with an attempt that an agent before this one began: in its first step, just now. */
export async function goOn({ clock, boxOf, ...given }: ResumedAttempt): Promise<AttemptResult> {
  const { announcement } = runWith(RUN, 1)
  const { manifest } = announcement
  const [spec] = manifest.jobs
  if (spec === undefined) throw new Error('a run with one job has one')
  const nowMs = clock.bootMs()
  const times = { startedMs: nowMs, stepStartedMs: nowMs, jobEndMs: nowMs + 60_000 }
  const progress: AttemptProgress = { step: 0, ...times, results: [], resources: RESOURCES }
  const gone = { dir: '/nowhere', remove: async () => undefined }
  const input = {
    jobId: `${RUN}.0`,
    runId: RUN,
    epoch: 1,
    attempt: 1,
    givenBack: 0,
    manifest,
    spec: { ...spec, steps: spec.steps.slice(0, 1), ...given.spec },
    deadline: gone,
    deadlineMs: () => clock.bootMs() + 27_000,
    signal: new AbortController().signal,
    onStage: () => undefined,
    onPhase: () => undefined,
    resume: { progress, logged: { out: 0, err: 0 } },
    ...given.input
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
