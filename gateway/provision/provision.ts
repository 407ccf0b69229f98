import type { GpuRequest } from '../../protocol/core/gpu-request.ts'
import type { AskedLevel } from '../../protocol/core/isolation.ts'
import type { NetworkPolicy } from '../../protocol/core/network.ts'
import type { Resources } from '../../protocol/core/run.ts'
import type { RunnerForge, RunnerScope } from '../forge/runner-api.ts'

/** One label set, and what its slots are made of. */
export interface RunnerEntry {
  /** Of the runner; a job is its own whose labels are all among them. */
  readonly labels: readonly string[]
  readonly image: string
  /** Path of the runner in the image; undefined for where its forge's own image has it. */
  readonly program: string | undefined
  readonly slotsMax: number
  readonly resources: Resources
  readonly gpu: GpuRequest | undefined
  readonly platform: string | undefined
  readonly hostLabels: Readonly<Record<string, string>>
  readonly isolation: AskedLevel | undefined
  readonly network: NetworkPolicy
  readonly timeoutMs: number
  /** For which a runner may wait for a job. */
  readonly idleMs: number
}

/** The forge's own runners that a repository's slots run. */
export interface Provision {
  readonly forge: RunnerForge
  readonly scope: RunnerScope
  readonly group: number
  readonly forks: 'refuse' | 'run'
  /** Where sandboxes reach the forge, without a slash at its end. */
  readonly url: string
  readonly runners: readonly RunnerEntry[]
}

/** The same for one set: forges tell neither upper from lower case nor one order from another. */
export function labelsKey(labels: readonly string[]): string {
  return [...new Set(labels.map((label) => label.toLowerCase()))].toSorted().join(',')
}

/** The first entry whose runners its forge gives the job to; undefined for others' jobs. */
export function entryFor(
  { runners }: Pick<Provision, 'runners'>,
  labels: readonly string[]
): RunnerEntry | undefined {
  // A job that asks for nothing is for any runner: whose, nobody has said.
  if (labels.length === 0) return undefined
  return runners.find((entry) => {
    const own = new Set(entry.labels.map((label) => label.toLowerCase()))
    return labels.every((label) => own.has(label.toLowerCase()))
  })
}

/** The entry of exactly this set. */
export function entryOf(
  { runners }: Pick<Provision, 'runners'>,
  labels: readonly string[]
): RunnerEntry | undefined {
  const key = labelsKey(labels)
  return runners.find((entry) => labelsKey(entry.labels) === key)
}
