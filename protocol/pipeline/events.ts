import { z } from 'zod'
import { INPUTS_MAX } from '../core/graph-limits.ts'
import { BRANCH_GLOBS_MAX, NAME_CHARACTERS_MAX } from '../core/limits.ts'
import { EVENT_LABELS_MAX, INPUT_VALUES_MAX, SCHEDULES_MAX } from '../core/pipeline-limits.ts'
import { cronProblem } from './cron.ts'
import {
  branchProblem,
  globProblem,
  pathGlobProblem,
  pathGlobsProblem,
  starsProblem,
  tagGlobProblem
} from './glob.ts'
import { names, text } from './shapes.ts'
import { type Check, inputValueProblem, labelValueProblem, SHORT_TEXT } from './text.ts'

/* `on`: which events start a run. */

type Together = (patterns: readonly string[]) => string | undefined

function patterns(check: Check, pattern: RegExp, together: Together, none: string) {
  return z
    .array(text(check, { pattern: pattern.source }))
    .min(1, `selects no ${none}: leave it out for all`)
    .max(BRANCH_GLOBS_MAX)
    .superRefine((list, context) => {
      const message = together(list)
      if (message !== undefined) context.addIssue({ code: 'custom', message, input: list })
    })
}

/** What patterns have in common, for editors. */
const NAME_GLOB = /^[^!?[\]{}\\\s][^?[\]{}\\\s]*$/
const PATH_GLOB = /^!?[^!/?[\]{}\\][^?[\]{}\\]*$/
const ONE_BRANCH = /^[^!*?[\]{}\\\s]+$/
const FIVE_FIELDS = /^[ \t]*[^@\s]\S*(?:[ \t]+\S+){4}\s*$/

const branches = patterns(globProblem, NAME_GLOB, starsProblem, 'branch')
const paths = patterns(pathGlobProblem, PATH_GLOB, pathGlobsProblem, 'path')
const tags = patterns(tagGlobProblem, NAME_GLOB, starsProblem, 'tag')

const push = z.strictObject({ branches: branches.optional(), paths: paths.optional() })

const pullRequest = z.strictObject({
  branches: branches.optional(),
  paths: paths.optional(),
  labels: z
    .array(text(labelValueProblem, { pattern: SHORT_TEXT.source }))
    .min(1, 'selects no pull request: leave it out for all')
    .max(EVENT_LABELS_MAX)
    .optional()
})

const INPUT_NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/

/** Why an input cannot be called that. */
export const inputNameProblem: Check = (name) => {
  if (name.length > NAME_CHARACTERS_MAX) {
    return `is too long: at most ${NAME_CHARACTERS_MAX} characters are allowed`
  }
  return INPUT_NAME.test(name) ? undefined : 'is no name for an input: use letters, digits, - and _'
}

const inputValue = text(inputValueProblem)

const input = z
  .strictObject({
    default: inputValue.optional(),
    values: z
      .array(inputValue)
      .min(1, 'allows nothing: leave it out for any text')
      .max(INPUT_VALUES_MAX)
      .optional(),
    required: z.boolean().optional()
  })
  .superRefine((found, context) => {
    const message = inputProblem(found)
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: found })
  })

interface Input {
  readonly default?: string | undefined
  readonly values?: readonly string[] | undefined
  readonly required?: boolean | undefined
}

function inputProblem({ default: preset, values, required = false }: Input): string | undefined {
  if (required && preset !== undefined) {
    return 'is required, and has a default as well: remove one of them'
  }
  if (values === undefined) return undefined
  if (preset !== undefined && !values.includes(preset)) {
    return 'has a default that is none of its values: add it to `values`, or choose one of them'
  }
  // Without either it would be empty, and that is none of the values.
  if (preset !== undefined || required) return undefined
  return 'has values and nothing for whoever names none: add `default` or `required: true`'
}

const manual = z.strictObject({
  inputs: names(
    text(inputNameProblem, { pattern: INPUT_NAME.source }),
    input,
    INPUTS_MAX
  ).optional()
})

const schedule = z
  .array(
    z.strictObject({
      cron: text(cronProblem, { pattern: FIVE_FIELDS.source }),
      branch: text(branchProblem, { pattern: ONE_BRANCH.source }).optional()
    })
  )
  .min(1, "has no times: add one, as in { cron: '17 3 * * *' }, or leave it out")
  .max(SCHEDULES_MAX)

export const events = z
  .strictObject({
    push: push.optional(),
    pull_request: pullRequest.optional(),
    tag: z.strictObject({ tags: tags.optional() }).optional(),
    manual: manual.optional(),
    schedule: schedule.optional()
  })
  .refine((on) => Object.values(on).some((event) => event !== undefined), {
    message: 'starts nothing: name an event, or leave `on` out for push and pull_request'
  })
  .meta({ minProperties: 1 })

/** `on` of a file. */
export type Events = z.output<typeof events>
export type InputDocument = z.output<typeof input>

/** What a file that has no `on` starts with. */
export const DEFAULT_EVENTS: Events = { push: {}, pull_request: {} }
