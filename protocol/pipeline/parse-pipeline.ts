import { PIPELINE_JOBS_BYTES_MAX } from '../core/limits.ts'
import type { JobSpec, ManifestError } from '../core/run.ts'
import { readDocument } from './document.ts'
import { problemsOf } from './issues.ts'
import { jobSpecs } from './jobs.ts'
import { inOrder, type Problem, toManifestError } from './problem.ts'
import { pipelineSchema } from './schema.ts'
import type { Tree } from './tree.ts'

/** A pipeline file that was found good. */
export interface Pipeline {
  /** Patterns of `on.push.branches`; undefined selects every branch. */
  readonly branches: readonly string[] | undefined
  readonly jobs: readonly JobSpec[]
  /** How messages call it. */
  readonly file: string
  /** True where some filter of it asks which paths a change touches. */
  readonly wantsPaths: boolean
  /** What it wants to be started by the clock; undefined takes the default branch. */
  readonly schedules: readonly PipelineSchedule[]
}

export interface PipelineSchedule {
  readonly cron: string
  readonly branch: string | undefined
}

export type ParsedPipeline =
  | { readonly kind: 'ok'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'error'
      /** The first of `errors`. */
      readonly error: ManifestError
      /** In the order of the file, at most PIPELINE_PROBLEMS_MAX; each has line and column. */
      readonly errors: readonly ManifestError[]
    }

/** Reads a pipeline file (docs/pipeline.md). Never throws; `file` is how messages call it. */
export function parsePipeline(
  bytes: Uint8Array,
  options: { readonly file: string }
): ParsedPipeline {
  const reading = readDocument(bytes)
  if (reading.kind === 'problems') return failed(reading.problems, options.file)
  const { tree } = reading
  const checked = pipelineSchema.safeParse(tree.value)
  const problems = problemsOf(checked.error?.issues ?? [], tree)
  if (!checked.success || problems.length > 0) return failed(problems, options.file)
  const jobs = jobSpecs(checked.data)
  const large = tooLarge(jobs, tree)
  if (large !== undefined) return failed([large], options.file)
  const branches = checked.data.on?.push.branches
  const { file } = options
  return { kind: 'ok', pipeline: { branches, jobs, file, wantsPaths: false, schedules: [] } }
}

function failed(problems: readonly Problem[], file: string): ParsedPipeline {
  const errors = inOrder(problems).map((problem) => toManifestError(problem, file))
  const [error] = errors
  if (error !== undefined) return { kind: 'error', error, errors }
  const unknown: Problem = { place: { line: 1, column: 1 }, path: [], text: 'not a pipeline file' }
  return failed([unknown], file)
}

// Aliases let a small file say much: what they stand for must still fit into one announcement.
function tooLarge(jobs: readonly JobSpec[], tree: Tree): Problem | undefined {
  const bytes = new TextEncoder().encode(JSON.stringify(jobs)).length
  if (bytes <= PIPELINE_JOBS_BYTES_MAX) return undefined
  const path = ['jobs']
  const text =
    `the jobs have ${bytes} bytes with their shared parts, at most ${PIPELINE_JOBS_BYTES_MAX} ` +
    'are allowed: put long scripts into files of the repository'
  return { place: tree.placeOfKey(path), path, text }
}
