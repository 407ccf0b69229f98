import type { JobSpec, ManifestError } from '../core/run.ts'
import { readDocument } from './document.ts'
import { expand } from './expansion.ts'
import { fieldProblems } from './field-problems.ts'
import { problemsOf } from './issues.ts'
import { needsProblems } from './needs.ts'
import { type Plan, plansOf, withWrittenNumbers } from './plan.ts'
import { firstError, inOrder, type Path, type Problem, toManifestError } from './problem.ts'
import { type PipelineDocument, pipelineSchema } from './schema.ts'
import type { Tree } from './tree.ts'
import { valueAt } from './value.ts'

/** A pipeline file that was found good. `select` says what an event starts. */
export interface Pipeline {
  /** How messages call it. */
  readonly file: string
  /** True where some filter of it asks which paths a change touches. */
  readonly wantsPaths: boolean
  /** What it wants to be started by the clock; undefined takes the default branch. */
  readonly schedules: readonly PipelineSchedule[]
  readonly document: PipelineDocument
  readonly plans: readonly Plan[]
  readonly tree: Tree
  /** Its jobs, where no event changes them. */
  readonly fixed: readonly JobSpec[] | undefined
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
  const { file } = options
  const reading = readDocument(bytes)
  if (reading.kind === 'problems') return failed(reading.problems, file)
  const tree = withWrittenNumbers(reading.tree)
  const checked = pipelineSchema.safeParse(tree.value)
  const problems = allProblems(checked.error?.issues ?? [], tree)
  if (!checked.success || problems.length > 0) return failed(problems, file)
  const document = checked.data
  const planned = plansOf(document, tree)
  if (planned.kind === 'problem') return failed([planned.problem], file)
  const { plans } = planned
  const expansion = expand({ plans, defaults: document.defaults, tree })
  if (expansion.kind === 'problems') return failed(expansion.problems, file)
  const fixed = plans.some(({ hasFields }) => hasFields) ? undefined : expansion.jobs
  return { kind: 'ok', pipeline: { file, ...triggersOf(document), document, plans, tree, fixed } }
}

type Issues = Parameters<typeof problemsOf>[0]

/** Of one text that is wrong in two ways, what is wrong with its fields is told. */
function allProblems(issues: Issues, tree: Tree): readonly Problem[] {
  const found = problemsOf(issues, tree)
  const more = [...fieldProblems(tree.value), ...needsProblems(valueAt(tree.value, ['jobs']))].map(
    ({ path, text }) => ({ place: tree.placeOf(path), path, text })
  )
  const places = new Set(more.map(({ path }) => keyOf(path)))
  return [...found.filter(({ path }) => !places.has(keyOf(path))), ...more]
}

function keyOf(path: Path): string {
  return JSON.stringify(path)
}

function triggersOf({ on }: PipelineDocument): Pick<Pipeline, 'wantsPaths' | 'schedules'> {
  const isAsked = (event: { readonly paths?: unknown } | undefined) => event?.paths !== undefined
  const schedules = on?.schedule ?? []
  return {
    wantsPaths: isAsked(on?.push) || isAsked(on?.pull_request),
    schedules: schedules.map(({ cron, branch }) => ({ cron, branch }))
  }
}

function failed(problems: readonly Problem[], file: string): ParsedPipeline {
  const error = firstError(problems, file)
  const [, ...others] = inOrder(problems).map((problem) => toManifestError(problem, file))
  return { kind: 'error', error, errors: [error, ...others] }
}
