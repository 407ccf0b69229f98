import { PIPELINE_JOBS_BYTES_MAX } from '../core/limits.ts'
import type { JobSpec } from '../core/run.ts'
import { hasField, render } from './field.ts'
import { withTexts } from './fillable.ts'
import { filledProblems } from './issues.ts'
import type { JobDocument } from './job-schema.ts'
import { jobSpec } from './jobs.ts'
import { type Combination, PLATFORM_AXIS } from './matrix.ts'
import type { Plan } from './plan.ts'
import type { Problem } from './problem.ts'
import { filledJobSchema, jobFileSchema, type PipelineDocument } from './schema.ts'
import type { Tree } from './tree.ts'

/** What the fields of all jobs of a run have as their values: `event.branch`, `inputs.target`. */
export type FieldValues = ReadonlyMap<string, string>

export interface ExpansionParts {
  readonly plans: readonly Plan[]
  readonly defaults: PipelineDocument['defaults']
  readonly tree: Tree
}

/** The jobs that the entries of a file make, or what is wrong with them. */
export type Expansion =
  | { readonly kind: 'jobs'; readonly jobs: readonly JobSpec[] }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] }

/**
 * Fills in the fields of all jobs and checks each text again: what an event says is anybody's.
 * Without values only those of each matrix are known, and texts with others are checked later.
 */
export function expand(parts: ExpansionParts, values?: FieldValues): Expansion {
  const { tree } = parts
  const jobs: JobSpec[] = []
  const problems: Problem[] = []
  let bytes = 0
  for (const plan of parts.plans) {
    for (const [index, entry] of plan.entries.entries()) {
      const filled = fill(plan, entry, values, tree)
      if (filled.kind === 'problems') {
        problems.push(...filled.problems)
        // The others of its matrix have most of its mistakes as well.
        break
      }
      const job = specOf(plan, index, filled.document, parts.defaults)
      bytes += encoder.encode(JSON.stringify(job)).length
      // At once: two hundred times a file of that size would be made before anyone looks.
      if (bytes > PIPELINE_JOBS_BYTES_MAX) {
        return { kind: 'problems', problems: [...problems, tooLarge(bytes, tree)] }
      }
      jobs.push(job)
    }
  }
  return problems.length > 0 ? { kind: 'problems', problems } : { kind: 'jobs', jobs }
}

const encoder = new TextEncoder()

type Filled =
  | { readonly kind: 'document'; readonly document: JobDocument }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] }

function fill(
  { hasFields, document, written, path }: Plan,
  entry: Combination | undefined,
  values: FieldValues | undefined,
  tree: Tree
): Filled {
  if (!hasFields) return { kind: 'document', document }
  const platform = entry?.[PLATFORM_AXIS] ?? document.platform
  const fieldValue = (name: string): string | undefined => {
    if (name === 'platform') return platform
    if (name.startsWith(MATRIX)) return entry?.[name.slice(MATRIX.length)]
    return values?.get(name)
  }
  const filled = withTexts(written, (text) => (hasField(text) ? render(text, fieldValue) : text))
  const checked = (values === undefined ? jobFileSchema : filledJobSchema).safeParse(filled)
  if (checked.success) return { kind: 'document', document: checked.data }
  const { issues } = checked.error
  return { kind: 'problems', problems: filledProblems(issues, path, filled, tree) }
}

const MATRIX = 'matrix.'

function specOf(
  plan: Plan,
  index: number,
  job: JobDocument,
  defaults: PipelineDocument['defaults']
): JobSpec {
  const entry = plan.entries[index]
  return jobSpec({
    index: plan.first + index,
    name: plan.names[index] ?? plan.name,
    job,
    defaults,
    needs: plan.needs,
    matrix: entry
  })
}

// Aliases let a small file say much: what they stand for must still fit into one announcement.
function tooLarge(bytes: number, tree: Tree): Problem {
  const path = ['jobs']
  const text =
    `the jobs have ${bytes} bytes or more with their shared parts and matrices, at most ` +
    `${PIPELINE_JOBS_BYTES_MAX} are allowed: put long scripts into files of the repository`
  return { place: tree.placeOfKey(path), path, text }
}
