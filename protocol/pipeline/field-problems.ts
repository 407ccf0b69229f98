import { PIPELINE_PROBLEMS_MAX } from '../core/limits.ts'
import { fieldProblem, fieldsOf, hasField, type KnownFields } from './field.ts'
import { textsOf } from './fillable.ts'
import { PLATFORM_AXIS } from './matrix.ts'
import { type Path, quoted } from './problem.ts'
import { asMap, valueAt } from './value.ts'

interface TextProblem {
  readonly path: Path
  readonly text: string
}

/** What is wrong with the fields in the texts of a file's jobs, whatever else is wrong. */
export function fieldProblems(root: unknown): readonly TextProblem[] {
  const inputs = new Set(Object.keys(asMap(valueAt(root, ['on', 'manual', 'inputs'])) ?? {}))
  const problems: TextProblem[] = []
  for (const [name, job] of Object.entries(asMap(valueAt(root, ['jobs'])) ?? {})) {
    const known = knownOf(job, inputs)
    for (const { path, text } of textsOf(job)) {
      if (!hasField(text)) continue
      for (const problem of problemsOf(text, known)) {
        problems.push({ path: ['jobs', name, ...path], text: problem })
      }
      // Each is compared with all names that there are: as many as are shown, and no more.
      if (problems.length >= PIPELINE_PROBLEMS_MAX) return problems
    }
  }
  return problems
}

function problemsOf(text: string, known: KnownFields): readonly string[] {
  const fields = fieldsOf(text)
  if (fields.kind === 'problem') return [`${shown(text)}${fields.text}`]
  const found = [...new Set(fields.names)].slice(0, FIELDS_OF_A_TEXT).flatMap((name) => {
    return fieldProblem(name, known) ?? []
  })
  return found.map((problem) => `${shown(text)}${problem}`)
}

/** Unknown names of one text that are told. */
const FIELDS_OF_A_TEXT = 8

function shown(text: string): string {
  return text.includes('\n') ? '' : `${quoted(text)} `
}

function knownOf(job: unknown, inputs: ReadonlySet<string>): KnownFields {
  const map = asMap(job)
  const axes = new Set(Object.keys(asMap(map?.['matrix']) ?? {}))
  axes.delete('exclude')
  const hasPlatform = map?.['platform'] !== undefined || axes.has(PLATFORM_AXIS)
  return { axes, inputs, hasPlatform }
}
