import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { causeOf } from '../../protocol/core/errors.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { RUNTIMES_TRIED_MAX } from '../../protocol/core/runtime-limits.ts'
import type { Engine } from '../execute/engine.ts'
import type { ContainerBody, EngineInfo } from '../execute/engine-types.ts'
import { GROUND_DIR, layGround } from '../execute/ground.ts'
import { STANDARD } from '../execute/profile-standard.ts'
import { reapTrials, TRIAL_LABEL } from '../execute/reaping.ts'
import { classOf, type EngineRuntime, type OfferedRuntime } from '../execute/runtime.ts'
import { containerBody } from '../execute/sandbox-profile.ts'
import type { HostProblem } from './host-profile.ts'
import { Leftovers } from './leftovers.ts'
import { type Candidate, tryRuntime } from './runtime-trial.ts'
import { EMPTY_ROOT, TRIAL_RESOURCES } from './trial.ts'

const FIX =
  'register it as docs/operating.md says and start the agent anew, or take it out of the ' +
  "engine's daemon.json; jobs that do not ask for it run as ever"

export interface RuntimesParts {
  /** Limited to RUNTIME_CALL_MS_MAX: a runtime that hangs holds its calls for ever. */
  readonly engine: Engine
  readonly peerId: string
  /** Path of the static busybox. */
  readonly busybox: string
  readonly workspaces: string
  readonly clock: Clock
}

/** What the engine's runtimes have shown. */
export interface RuntimesShown {
  readonly offered: readonly OfferedRuntime[]
  /** Of those that may not be offered; none is blocking. */
  readonly problems: readonly HostProblem[]
}

/** The runtimes of our classes that an engine names. */
export function candidatesOf(runtimes: readonly EngineRuntime[]): readonly Candidate[] {
  return runtimes.flatMap((runtime) => {
    const kind = classOf(runtime)
    return kind === undefined ? [] : [{ ...runtime, class: kind }]
  })
}

/**
 * Tries each runtime that may be offered to jobs, one after the other: that an engine lists one
 * says nothing, not even that it starts. Within `killBudgetMs` the lifeline must end what runs there.
 * Never rejects; it shows nothing where `signal` ends it.
 */
export async function tryRuntimes(
  parts: RuntimesParts,
  killBudgetMs: number,
  signal: AbortSignal
): Promise<RuntimesShown> {
  const { engine, peerId } = parts
  const offered: OfferedRuntime[] = []
  const problems: HostProblem[] = []
  const leftovers = new Leftovers(engine, join(parts.workspaces, GROUND_DIR, 'trial-containers'))
  try {
    // Of an agent that was killed in a trial: also where its runtime has been taken out since.
    await leftovers.clear()
    const info = await engine.info()
    const candidates = candidatesOf(info.runtimes)
    if (candidates.length === 0) return { offered, problems }
    await reapTrials(engine, peerId)
    const trial = await prepared(parts, info, leftovers)
    for (const [index, candidate] of candidates.slice(0, RUNTIMES_TRIED_MAX).entries()) {
      if (signal.aborted) break
      const open = { ...trial(candidate, index), killBudgetMs }
      const refused = await tryRuntime(open, candidate, signal)
      if (refused === undefined) offered.push({ name: candidate.name, class: candidate.class })
      else problems.push(refusal(candidate, refused))
    }
    for (const candidate of candidates.slice(RUNTIMES_TRIED_MAX)) {
      problems.push(refusal(candidate, `no more than ${RUNTIMES_TRIED_MAX} are tried`))
    }
  } catch (error) {
    const found = `the engine's runtimes could not be tried: ${causeOf(error)}`
    problems.push({ part: 'runtime', blocking: false, found, fix: FIX })
  } finally {
    await reapTrials(engine, peerId).catch(() => [])
    await rm(leasesOf(parts), { recursive: true, force: true }).catch(() => undefined)
  }
  return signal.aborted ? { offered: [], problems: [] } : { offered, problems }
}

async function prepared(parts: RuntimesParts, info: EngineInfo, leftovers: Leftovers) {
  const { engine, peerId, busybox, clock, workspaces } = parts
  const labels = { [TRIAL_LABEL]: peerId }
  const imageId = await engine.importRoot(Readable.from([EMPTY_ROOT]), labels)
  const { guard, platform, host } = await layGround(engine, workspaces, [])
  const suffix = createHash('sha256').update(peerId).digest('hex').slice(0, 8)
  const ours = { jobId: 'trial', epoch: 0, claimId: 'trial', peerId, storeId: '', volume: '' }
  return ({ name: runtime }: Candidate, index: number) => {
    const bodyOf = (leaseDir: string): ContainerBody => {
      const request = { ...ours, imageId, leaseDir, busybox, guard, resources: TRIAL_RESOURCES }
      const body = containerBody(STANDARD, { ...request, runtime }, host)
      const { Mounts, ...rest } = body.HostConfig
      const HostConfig = { ...rest, Mounts: Mounts.filter(({ Type }) => Type === 'bind') }
      return { ...body, Labels: labels, HostConfig }
    }
    // Of its own: where one hangs, the engine may keep its container's name.
    const name = `runner-mesh-trial-${suffix}-${index}`
    const place = { leases: leasesOf(parts), name, labels }
    return { engine, clock, kernel: info.kernel, platform, bodyOf, leftovers, ...place }
  }
}

/** Beside the guard, where the reaper of sources and leases does not come. */
function leasesOf({ workspaces }: RuntimesParts): string {
  return join(workspaces, GROUND_DIR, 'trial-leases')
}

function refusal({ name }: Candidate, cause: string): HostProblem {
  const found = `runtime ${name} is not offered: ${cause}`
  return { part: 'runtime', blocking: false, found, fix: FIX }
}
