import { causeOf, MeshError } from '../core/errors.ts'
import { INPUTS_MAX } from '../core/graph-limits.ts'
import type { ManifestError } from '../core/run.ts'
import type { InputDocument } from './events.ts'
import { type Path, quoted } from './problem.ts'
import { nearest } from './suggestion.ts'
import { inputValueProblem } from './text.ts'
import type { Tree } from './tree.ts'

type Declared = Readonly<Record<string, InputDocument>>
export type Inputs = Readonly<Record<string, string>>

/** The values of all inputs that a file declares, or why those that were given cannot be them. */
export type CheckedInputs =
  | { readonly kind: 'inputs'; readonly inputs: Inputs }
  | { readonly kind: 'error'; readonly error: ManifestError }

/** What they are where nobody is asked. */
export function presetInputs(declared: Declared): Inputs {
  return Object.fromEntries(
    Object.entries(declared).map(([name, input]) => [name, input.default ?? ''])
  )
}

export function checkInputs(
  declared: Declared,
  given: Inputs,
  { file, tree }: { readonly file: string; readonly tree: Tree }
): CheckedInputs {
  const wrong = unknownInput(declared, given) ?? firstProblem(declared, given)
  if (wrong === undefined) {
    return { kind: 'inputs', inputs: { ...presetInputs(declared), ...given } }
  }
  const path: Path = ['on', 'manual', 'inputs', wrong.name]
  const { line, column } = tree.placeOfKey(path)
  const problem = wrong.problem
  const error = new MeshError('INPUT_INVALID', {
    file,
    line,
    column,
    input: quoted(wrong.name),
    problem
  })
  const shown = Object.hasOwn(declared, wrong.name) ? `on.manual.inputs.${wrong.name}` : undefined
  const { code, message } = { code: error.code, message: causeOf(error) }
  return { kind: 'error', error: { code, message, line, column, path: shown } }
}

interface Wrong {
  readonly name: string
  readonly problem: string
}

function unknownInput(declared: Declared, given: Inputs): Wrong | undefined {
  const name = Object.keys(given).find((each) => !Object.hasOwn(declared, each))
  if (name === undefined) return undefined
  const names = Object.keys(declared).slice(0, INPUTS_MAX)
  const close = nearest(name, names)
  if (close !== undefined) return { name, problem: `is not declared: did you mean \`${close}\`?` }
  const way = names.length === 0 ? 'the file declares none' : `the inputs are ${names.join(', ')}`
  return { name, problem: `is not declared: ${way}` }
}

function firstProblem(declared: Declared, given: Inputs): Wrong | undefined {
  for (const [name, input] of Object.entries(declared)) {
    const problem = valueProblem(input, Object.hasOwn(given, name) ? given[name] : undefined)
    if (problem !== undefined) return { name, problem }
  }
  return undefined
}

function valueProblem({ values, required }: InputDocument, given?: string): string | undefined {
  if (given === undefined) return required === true ? 'is required: give it a value' : undefined
  if (required === true && given === '') return 'is required: give it a value that is not empty'
  const problem = inputValueProblem(given)
  if (problem !== undefined) return `is ${quoted(given)}, which ${problem}`
  if (values === undefined || values.includes(given)) return undefined
  return `is ${quoted(given)}: choose one of ${values.slice(0, SHOWN_MAX).map(quoted).join(', ')}`
}

const SHOWN_MAX = 10
