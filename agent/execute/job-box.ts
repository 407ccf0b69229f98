import { MeshError } from '../../protocol/core/errors.ts'
import {
  formatIsolation,
  type Isolation,
  type IsolationLevel,
  type IsolationWish
} from '../../protocol/core/isolation.ts'
import type { Ground } from './ground.ts'
import { chooseProfile } from './profile-choice.ts'
import { PROFILES } from './profiles.ts'
import { classOf, levelsOf, type OfferedRuntime, runtimeFor } from './runtime.ts'
import type { Profile } from './sandbox-profile.ts'

/** What one job's container is made by. */
export interface JobBox {
  readonly profile: Profile
  /** By name; undefined for the plain one. */
  readonly runtime: string | undefined
}

export interface BoxedJob extends IsolationWish {
  readonly jobId: string
}

export interface JobBoxParts {
  readonly ground: Pick<Ground, 'isolation' | 'engine'>
  readonly required: IsolationLevel | undefined
  /** Those that have shown what they are, on the engine as it is now. */
  readonly shown: readonly OfferedRuntime[]
  /** Whether jobs that build images may run here. */
  readonly offersBuilder: boolean
  /** The runtime of the container that an agent before this one made; absent for a new one. */
  readonly runsIn?: string | undefined
}

/**
 * Asked again although the claim has asked: the engine may be another since. Throws
 * ISOLATION_LACKING, BUILDER_REFUSED, BUILDER_LACKING.
 */
export function jobBox(job: BoxedJob, parts: JobBoxParts): JobBox {
  const runtimes = runtimesOf(parts)
  const { isolation: offered } = parts.ground
  const isolation: Isolation = { offered, required: parts.required, levels: levelsOf(runtimes) }
  const choice = chooseProfile(job, isolation)
  if (choice.kind === 'refused') {
    const gives = formatIsolation(isolation)
    throw new MeshError('ISOLATION_LACKING', { offered: gives, required: choice.lacking })
  }
  if (choice.kind === 'stranger_builds') throw new MeshError('BUILDER_REFUSED', { job: job.jobId })
  // Nor does a builder that runs already wait for its trial.
  if (choice.name === 'builder' && !parts.offersBuilder && parts.runsIn === undefined) {
    throw new MeshError('BUILDER_LACKING', { job: job.jobId })
  }
  const profile = PROFILES[choice.name]
  const { runtimeLevel: level } = choice
  return { profile, runtime: level === undefined ? undefined : runtimeFor(level, runtimes) }
}

function runtimesOf({ ground, shown, runsIn }: JobBoxParts): readonly OfferedRuntime[] {
  if (runsIn === undefined) return shown
  // Its trial was the earlier agent's, before it made the container. This one's comes last of all,
  // and a job that runs cannot wait for it.
  return ground.engine.runtimes
    .filter(({ name }) => name === runsIn)
    .flatMap((runtime) => {
      const kind = classOf(runtime)
      return kind === undefined ? [] : [{ name: runtime.name, class: kind }]
    })
}
