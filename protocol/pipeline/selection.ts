import { matchesGlob } from '../core/glob.ts'
import type { JobSpec, ManifestError } from '../core/run.ts'
import type { Pipeline } from './parse-pipeline.ts'

/** What a pipeline file is asked about. */
export interface PipelineEvent {
  readonly kind: 'push' | 'tag' | 'pull_request' | 'manual' | 'schedule'
  /** `main`, not `refs/heads/main`; of a pull request the one that it goes to; '' of a tag. */
  readonly branch: string
  /** `v1`, not `refs/tags/v1`; '' unless it is one. */
  readonly tag: string
  readonly ref: string
  readonly commit: string
  /** Of a pull request; '' unless it is one. */
  readonly number: string
  readonly labels: readonly string[]
  readonly author: string
  readonly inputs: Readonly<Record<string, string>>
  /** Undefined where they are not known: every filter of paths selects then. */
  readonly changedPaths: readonly string[] | undefined
}

/** What an event starts. */
export type Selection =
  | { readonly kind: 'run'; readonly jobs: readonly JobSpec[] }
  | { readonly kind: 'ignored'; readonly reason: string }
  | { readonly kind: 'error'; readonly error: ManifestError }

/** The jobs that `event` starts, in the order of the file. Never throws. */
export function select(pipeline: Pipeline, event: PipelineEvent): Selection {
  const { kind, branch } = event
  if (kind !== 'push')
    return { kind: 'ignored', reason: `${pipeline.file} does not select ${kind}` }
  const isSelected = pipeline.branches?.some((pattern) => matchesGlob(pattern, branch)) ?? true
  if (isSelected) return { kind: 'run', jobs: pipeline.jobs }
  return { kind: 'ignored', reason: `on.push of ${pipeline.file} does not select ${branch}` }
}
