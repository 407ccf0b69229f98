import { matchesGlob } from '../core/glob.ts'
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
  return { kind: 'ok', pipeline: { branches: checked.data.on?.push.branches, jobs } }
}

/** True when a push to `branch` (`main`, not `refs/heads/main`) starts a run. */
export function selectsPush(pipeline: Pipeline, branch: string): boolean {
  return pipeline.branches?.some((pattern) => matchesGlob(pattern, branch)) ?? true
}

/** What the run consists of, in the order of the file. */
export function jobsOf(pipeline: Pipeline): readonly JobSpec[] {
  return pipeline.jobs
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
