import { MeshError } from '../../protocol/core/errors.ts'
import type { JobSpec, ManifestError } from '../../protocol/core/run.ts'
import { parsePipeline } from '../../protocol/pipeline/parse-pipeline.ts'
import { type PipelineEvent, select } from '../../protocol/pipeline/selection.ts'

export interface JobWish {
  readonly job: string
  readonly matrix: Readonly<Record<string, string>>
  /** Undefined takes `push`, or what the file names first. */
  readonly kind: PipelineEvent['kind'] | undefined
  readonly event: Omit<PipelineEvent, 'kind'>
}

export type ChosenJob =
  | { readonly kind: 'job'; readonly spec: JobSpec; readonly event: PipelineEvent }
  | { readonly kind: 'errors'; readonly errors: readonly ManifestError[] }

/**
 * One job of a file, as such an event would start it. Throws EXEC_NO_RUN, EXEC_JOB_UNKNOWN,
 * EXEC_JOB_AMBIGUOUS.
 */
export function chosenJob(bytes: Uint8Array, file: string, wish: JobWish): ChosenJob {
  const parsed = parsePipeline(bytes, { file })
  if (parsed.kind === 'error') return { kind: 'errors', errors: parsed.errors }
  const { pipeline } = parsed
  const named = Object.keys(pipeline.document.on ?? { push: {} }) as PipelineEvent['kind'][]
  const usual = named.includes('push') ? 'push' : (named[0] ?? 'push')
  const event = { ...wish.event, kind: wish.kind ?? usual }
  const selection = select(pipeline, event)
  if (selection.kind === 'error') return { kind: 'errors', errors: [selection.error] }
  if (selection.kind === 'ignored') throw new MeshError('EXEC_NO_RUN', { reason: selection.reason })
  return { kind: 'job', spec: theOne(selection.jobs, file, wish), event }
}

/** By its name, whole or without its entry of a matrix. */
function theOne(jobs: readonly JobSpec[], file: string, { job, matrix }: JobWish): JobSpec {
  const called = jobs.filter(({ name }) => name === job || name.startsWith(`${job} (`))
  const wanted = Object.entries(matrix)
  const found = called.filter((spec) =>
    wanted.every(([axis, value]) => {
      return Object.hasOwn(spec.matrix ?? {}, axis) && spec.matrix?.[axis] === value
    })
  )
  const [one] = found
  if (one !== undefined && found.length === 1) return one
  if (one !== undefined) {
    throw new MeshError('EXEC_JOB_AMBIGUOUS', { job, known: namesOf(found) })
  }
  const entry = wanted.map(([axis, value]) => ` with ${axis}=${value}`).join('')
  const known = namesOf(called.length > 0 ? called : jobs)
  throw new MeshError('EXEC_JOB_UNKNOWN', { file, job, entry, known })
}

function namesOf(jobs: readonly JobSpec[]): string {
  return jobs.map(({ name }) => name).join(', ')
}
