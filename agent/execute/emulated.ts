import type { Platform } from '../../protocol/core/advertisement.ts'
import { JOB_TIMEOUT_MS_MAX } from '../../protocol/core/limits.ts'
import { EMULATED_TIMEOUT_FACTOR } from '../../protocol/core/platform-limits.ts'
import { platformFor } from '../../protocol/core/requirements.ts'
import type { JobSpec } from '../../protocol/core/run.ts'

/**
 * The job as it is run here: where only an emulator runs its platform, its timeouts, which are
 * written with a processor in mind, are EMULATED_TIMEOUT_FACTOR times as long, at most the longest
 * that any job has. `platforms` are this host's.
 */
export function asRunHere(spec: JobSpec, platforms: readonly Platform[]): JobSpec {
  if (spec.platform === undefined || platformFor(spec, platforms)?.native === true) return spec
  const longer = (ms: number): number => Math.min(ms * EMULATED_TIMEOUT_FACTOR, JOB_TIMEOUT_MS_MAX)
  return {
    ...spec,
    timeoutMs: longer(spec.timeoutMs),
    steps: spec.steps.map((step) => {
      return step.timeoutMs === undefined ? step : { ...step, timeoutMs: longer(step.timeoutMs) }
    })
  }
}
