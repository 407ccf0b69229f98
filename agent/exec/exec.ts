import { basename } from 'node:path'
import { MeshError } from '../../protocol/core/errors.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import { type JobSpec, jobIdOf, type Manifest } from '../../protocol/core/run.ts'
import type { PipelineEvent } from '../../protocol/pipeline/selection.ts'
import type { AgentSettings } from '../config.ts'
import type { AttemptInput, AttemptOutcome, AttemptResult } from '../execute/attempt.ts'
import type { SecretValue } from '../execute/attempt-secrets.ts'
import { Engine } from '../execute/engine.ts'
import type { GpuPlace } from '../gpu-parts.ts'
import { clearLeft } from './clear-left.ts'
import { ExecHost } from './exec-host.ts'
import { ExecLease } from './exec-lease.ts'
import { ExecRoom } from './exec-room.ts'
import type { LocalPlace } from './local-place.ts'
import { LocalSource } from './local-source.ts'

export interface ExecParts {
  readonly settings: AgentSettings
  readonly clock: Clock
  readonly random: Random
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  readonly log: AttemptInput['log']
  /** In place of the GPUs that this machine has. */
  readonly gpuPlace?: GpuPlace | undefined
}

export interface ExecOrder {
  readonly spec: JobSpec
  readonly event: PipelineEvent
  readonly place: LocalPlace
  readonly secrets: readonly SecretValue[]
}

/**
 * Runs one job in the sandbox that agents have, with no mesh. Its deadline is set anew for as long
 * as this process lives. Throws EXEC_INTERRUPTED, and what the host cannot do.
 */
export async function execute(parts: ExecParts, order: ExecOrder): Promise<AttemptOutcome> {
  const { settings, clock, random, signal, gpuPlace } = parts
  const engine = Engine.local(settings.engine)
  const say = (text: string): void => parts.log(0, 'mesh', text)
  await clearLeft(engine, say)
  const room = await ExecRoom.open({ engine, clock, random }, signal)
  let left: Error | undefined
  try {
    const source = (claimId: string): LocalSource => {
      const { place } = order
      const { workspaces: parent } = room
      return new LocalSource({ parent, claimId, busybox: settings.busybox, place, say })
    }
    const hostParts = { engine, clock, settings, room, gpuPlace }
    const host = await ExecHost.open(hostParts, order.spec, source, signal)
    try {
      const result = await attempt(parts, order, room, host)
      left = result.left
      if (result.kind === 'outcome') return result.outcome
      const { reason, message: cause } = result
      signal.throwIfAborted()
      throw new MeshError('EXEC_INTERRUPTED', { job: order.spec.name, reason, cause })
    } finally {
      await host.close()
    }
  } finally {
    if (left === undefined) await room.close()
    else {
      await room.abandon()
      say(`not all is gone, a guardian goes on with it: ${left.message}`)
    }
  }
}

async function attempt(
  { clock, random, signal, log }: ExecParts,
  { spec, event, place, secrets }: ExecOrder,
  room: ExecRoom,
  { executor, gpus }: ExecHost
): Promise<AttemptResult> {
  const runId = `exec${random.id(8)}`
  const jobId = jobIdOf(runId, spec.index)
  const claimId = random.id(16)
  const lease = await ExecLease.begin(room.leases, jobId, claimId, clock)
  const cancel = new AbortController()
  const onAbort = (): void => cancel.abort('cancelled')
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await executor.run({
      ...{ jobId, runId, claimId, epoch: 1, attempt: 1, givenBack: 0, witnessEpoch: 1 },
      manifest: manifestOf(event, place),
      spec,
      gpus,
      deadline: lease.file,
      deadlineMs: () => lease.deadlineMs,
      signal: cancel.signal,
      onStage: () => undefined,
      onPhase: () => undefined,
      onStep: () => Promise.resolve(),
      releaseSecrets: () => Promise.resolve(secrets),
      log
    })
  } finally {
    lease.stop()
    signal.removeEventListener('abort', onAbort)
  }
}

/** What a run of that event would say; no address of it is ever fetched from. */
function manifestOf(event: PipelineEvent, place: LocalPlace): Manifest {
  const repository = basename(place.root)
  return {
    origin: {
      ...{ forgeHost: 'localhost', repositoryId: `/${repository}`, event: event.kind },
      ...{ ref: event.ref, commit: event.commit, number: event.number, action: '', rerunNonce: '' }
    },
    ...{ repository, url: `file:///${encodeURIComponent(repository)}`, before: '' },
    ...{ pusher: event.author, title: '', jobs: [], error: undefined, trust: 'trusted' },
    base: event.kind === 'pull_request' ? event.branch : undefined
  }
}
