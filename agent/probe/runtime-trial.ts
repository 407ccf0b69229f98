import { setTimeout as sleep } from 'node:timers/promises'
import { causeOf } from '../../protocol/core/errors.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import {
  RUNTIME_CALL_MS_MAX,
  RUNTIME_END_MS,
  RUNTIME_LEASE_MS
} from '../../protocol/core/runtime-limits.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { DeadlineFile } from '../execute/deadline-file.ts'
import type { Engine } from '../execute/engine.ts'
import type { ContainerBody } from '../execute/engine-types.ts'
import { BUSYBOX_INSIDE, GUARD_EXITS } from '../execute/guard.ts'
import { differences } from '../execute/read-back.ts'
import type { EngineRuntime, RuntimeClass } from '../execute/runtime.ts'
import { hostProcesses } from '../lifeline/first-process.ts'
import { Guardian } from '../lifeline/guardian.ts'
import { LeaseFolders } from '../lifeline/lease-folders.ts'
import type { Leftovers } from './leftovers.ts'
import { LOOK, pretence, seenKernel } from './runtime-identity.ts'

const POLL_MS = 50
const OUTPUT_CHARACTERS_MAX = 2_000
/** By job and claim a guardian finds the lease folder of a container. */
const TRIAL_JOB = 'trial'
const GUARDIAN_TRIAL = 'guardian'

export interface Candidate extends EngineRuntime {
  readonly class: RuntimeClass
}

export interface RuntimeTrialParts {
  readonly engine: Engine
  readonly clock: Clock
  /** The host's kernel. */
  readonly kernel: string
  readonly platform: string
  /** Of the containers: by these the guardian finds its own. */
  readonly labels: Readonly<Record<string, string>>
  /** Folder for this trial's lease folders, and no others. */
  readonly leases: string
  readonly leftovers: Leftovers
  /** Name of the containers. */
  readonly name: string
  /** A container as jobs get them in this runtime, guard included, with that lease folder. */
  readonly bodyOf: (leaseDir: string) => ContainerBody
  /** Within which guard and guardian must have ended a container whose lease is over. */
  readonly killBudgetMs: number
}

/**
 * Tries one runtime: what it is, that its limits hold, and that each half of the lifeline ends what
 * runs in it. Gives why it must not be offered; undefined where it may be. Never rejects; what it
 * could not remove is left to the reaper.
 */
export async function tryRuntime(
  parts: RuntimeTrialParts,
  candidate: Candidate,
  signal: AbortSignal
): Promise<string | undefined> {
  try {
    const guard = await half(parts, 'guard', (open) => tryGuard(open, candidate, signal))
    return guard ?? (await half(parts, GUARDIAN_TRIAL, (open) => tryGuardian(open, signal)))
  } catch (error) {
    return causeOf(error)
  }
}

/** One container with its lease folder, and what was left of them. */
async function half(
  parts: RuntimeTrialParts,
  claim: string,
  work: (parts: HalfParts) => Promise<string | undefined>
): Promise<string | undefined> {
  const lease = await DeadlineFile.create(parts.leases, TRIAL_JOB, claim, parts.clock)
  const refused = await work({ ...parts, lease }).catch(causeOf)
  const left = await parts.leftovers.clear()
  await lease.remove()
  return [refused, left].filter((said) => said !== undefined).join('; ') || undefined
}

type HalfParts = RuntimeTrialParts & { readonly lease: DeadlineFile }

/** The guard ends its container itself, by a clock that is not the host's. */
async function tryGuard(
  parts: HalfParts,
  candidate: Candidate,
  signal: AbortSignal
): Promise<string | undefined> {
  const { engine, clock, lease, killBudgetMs } = parts
  const id = await started(parts, parts.bodyOf(lease.dir))
  const seen = await look(engine, id, signal)
  const lie = pretence(candidate.class, seen, parts.kernel)
  if (lie !== undefined) return lie
  const pid = (await engine.inspect(id))?.pid ?? 0
  if (hostProcesses.recognise(id, pid) === undefined) {
    return 'its processes are not in the control group of their container, so that no limit holds'
  }
  const deadlineMs = await shortened(lease, clock)
  while (clock.bootMs() < deadlineMs + killBudgetMs) {
    const view = await engine.inspect(id)
    if (view?.running !== true) return endedByGuard(view?.exitCode, clock.bootMs() - deadlineMs)
    await sleep(POLL_MS, undefined, { signal })
  }
  return `its guard did not end it within ${killBudgetMs} ms of its deadline`
}

function endedByGuard(exitCode: number | undefined, lateMs: number): string | undefined {
  if (exitCode === GUARD_EXITS.expired && lateMs > 0) return undefined
  const at = lateMs > 0 ? `${lateMs} ms after` : `${-lateMs} ms before`
  return `its guard ended with exit code ${exitCode ?? 'unknown'}, ${at} its deadline`
}

/** A guardian outside ends a container whose process 1 guards nothing. */
async function tryGuardian(parts: HalfParts, signal: AbortSignal): Promise<string | undefined> {
  const { engine, clock, lease, labels, leases, killBudgetMs } = parts
  const body = parts.bodyOf(lease.dir)
  const id = await started(parts, {
    ...body,
    // Longer than this may take; it ends all the same if nobody is there to end it.
    Entrypoint: [BUSYBOX_INSIDE, 'sleep', '60'],
    Labels: { ...body.Labels, 'runner-mesh.job': TRIAL_JOB, 'runner-mesh.claim': GUARDIAN_TRIAL }
  })
  const stop = new AbortController()
  const charge = { labels, leases: new LeaseFolders(leases), engine, agentGone: false }
  const guardian = new Guardian(
    {
      clock,
      log: silentLog(),
      processes: hostProcesses,
      charge: async () => charge,
      onLook: () => undefined
    },
    { stay: true }
  )
  const guarding = guardian.run(stop.signal)
  try {
    const deadlineMs = await shortened(lease, clock)
    while (clock.bootMs() < deadlineMs + killBudgetMs) {
      if ((await engine.inspect(id))?.running !== true) {
        return clock.bootMs() > deadlineMs ? undefined : 'it ended before its deadline'
      }
      await sleep(POLL_MS, undefined, { signal })
    }
    return `a guardian did not end it within ${killBudgetMs} ms of its deadline`
  } finally {
    stop.abort()
    await guarding
  }
}

async function started(parts: HalfParts, body: ContainerBody): Promise<string> {
  const { engine, lease, clock, name, platform, leftovers } = parts
  await lease.write(clock.bootMs() + RUNTIME_LEASE_MS)
  const id = await engine.create(name, platform, body)
  await leftovers.add(id)
  const stored = await engine.inspect(id)
  const [difference] = stored === undefined ? ['it is gone'] : differences(body, stored)
  if (difference !== undefined) throw new Error(difference)
  await engine.start(id)
  return id
}

async function look(engine: Engine, container: string, signal: AbortSignal) {
  let said = ''
  const end = await engine.exec({
    container,
    command: LOOK,
    env: [],
    user: '0:0',
    workdir: '/',
    onOutput: (_stream, bytes) => {
      said = (said + Buffer.from(bytes).toString('utf8')).slice(0, OUTPUT_CHARACTERS_MAX)
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(RUNTIME_CALL_MS_MAX)])
  })
  if (end.kind === 'not_started') throw new Error(end.cause)
  return seenKernel(said)
}

/** To an instant that neither half knew of when the container started. */
async function shortened(lease: DeadlineFile, clock: Clock): Promise<number> {
  const deadlineMs = clock.bootMs() + RUNTIME_END_MS
  await lease.write(deadlineMs)
  return deadlineMs
}
