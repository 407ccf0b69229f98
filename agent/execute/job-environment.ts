import type { AttemptInput } from './attempt.ts'
import { OUTPUT_INSIDE } from './job-outputs.ts'
import { WORKSPACE_INSIDE } from './sandbox-profile.ts'

const BRANCH_PREFIX = 'refs/heads/'
const TAG_PREFIX = 'refs/tags/'

type Described = Pick<
  AttemptInput,
  'jobId' | 'runId' | 'attempt' | 'epoch' | 'manifest' | 'spec' | 'needed'
>

/** `NAME=value` for every step: what the job set, and over it what the mesh says of itself. */
export function jobEnvironment(input: Described, agent: string, platform: string): string[] {
  const { origin, repository, base = '' } = input.manifest
  const own: Readonly<Record<string, string>> = {
    RUNNER_MESH: 'true',
    RUNNER_MESH_JOB: input.jobId,
    RUNNER_MESH_RUN: input.runId,
    RUNNER_MESH_ATTEMPT: String(input.attempt),
    RUNNER_MESH_EPOCH: String(input.epoch),
    RUNNER_MESH_AGENT: agent,
    RUNNER_MESH_REPO: repository,
    RUNNER_MESH_COMMIT: origin.commit,
    RUNNER_MESH_REF: origin.ref,
    // Of a pull request none: what deploys from `main` must not take one into it for that.
    RUNNER_MESH_BRANCH: after(origin.ref, BRANCH_PREFIX),
    RUNNER_MESH_TAG: after(origin.ref, TAG_PREFIX),
    RUNNER_MESH_EVENT: origin.event,
    RUNNER_MESH_PULL_REQUEST: origin.number,
    RUNNER_MESH_BASE: base,
    RUNNER_MESH_PLATFORM: platform,
    RUNNER_MESH_WORKSPACE: WORKSPACE_INSIDE,
    RUNNER_MESH_OUTPUT: OUTPUT_INSIDE
  }
  // Ours last: a deploy script trusts RUNNER_MESH_EPOCH to be the lease's.
  const all = { CI: 'true', ...input.spec.env, ...input.needed, ...own }
  return Object.entries(all).map(([name, value]) => `${name}=${value}`)
}

/** `env` with those of `defaults` whose names it does not set; both of `NAME=value`. */
export function withDefaults(
  env: readonly string[],
  defaults: readonly string[]
): readonly string[] {
  const nameOf = (entry: string): string => entry.split('=', 1)[0] ?? ''
  const set = new Set(env.map(nameOf))
  return [...env, ...defaults.filter((entry) => !set.has(nameOf(entry)))]
}

function after(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : ''
}
