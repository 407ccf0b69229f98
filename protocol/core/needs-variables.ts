import { NEEDS_BYTES_MAX } from './graph-limits.ts'
import type { Outputs } from './outputs.ts'
import type { JobSpec } from './run.ts'

/** A job that another one needs, with what it hands on. */
export interface Given {
  readonly spec: Pick<JobSpec, 'index' | 'name' | 'matrix'>
  readonly outputs: Outputs
}

/**
 * The variables in which a job gets the outputs of the jobs that it needs, in order of their index:
 * `RUNNER_MESH_NEEDS_<JOB>_<OUTPUT>`, in upper case, with one `_` for whatever else there is. A job of
 * a matrix `build (linux/amd64, 22)` is found under BUILD_LINUX_AMD64_22, and under BUILD as well,
 * where the last one that has the output counts.
 *
 * They all begin alike, so none of them can be one that a loader, a shell or a GPU runtime reads.
 */
export function needsVariables(given: readonly Given[]): Readonly<Record<string, string>> {
  const variables = new Map<string, string>()
  for (const { spec, outputs } of given) {
    for (const job of namesOf(spec)) {
      for (const [name, value] of Object.entries(outputs)) {
        variables.set(`RUNNER_MESH_NEEDS_${job}_${name.toUpperCase()}`, value)
      }
    }
  }
  return Object.fromEntries(variables)
}

/** What is wrong with so many of them; a job that began with some alone would be guessing. */
export function needsProblem(variables: Readonly<Record<string, string>>): string | undefined {
  // Each with its `=` and its end, as a process gets it.
  const text = Object.entries(variables).map(([name, value]) => `${name}=${value}\0`)
  const bytes = new TextEncoder().encode(text.join('')).length
  if (bytes <= NEEDS_BYTES_MAX) return
  return (
    `the outputs of the jobs that it needs come to ${bytes} bytes of variables, at most ` +
    `${NEEDS_BYTES_MAX} can be handed on: need fewer jobs, or hand on less`
  )
}

function namesOf({ index, name, matrix }: Given['spec']): readonly string[] {
  const whole = variableName(name, index)
  if (matrix === undefined) return [whole]
  return [...new Set([variableName(name.replace(/ \(.*$/s, ''), index), whole])]
}

/** A name without a letter or digit of ASCII is that of its place. */
function variableName(name: string, index: number): string {
  const plain = name.toUpperCase().replace(/[^A-Z0-9]+/g, '_')
  return plain.replace(/^_+|_+$/g, '') || `JOB${index}`
}
