import { matchesGlob } from '../core/glob.ts'
import type { JobSpec, ManifestError } from '../core/run.ts'
import { DEFAULT_EVENTS, type Events } from './events.ts'
import { expand } from './expansion.ts'
import { EVENT_FIELDS } from './field.ts'
import { checkInputs, type Inputs, presetInputs } from './inputs.ts'
import type { Pipeline } from './parse-pipeline.ts'
import { selectsPaths } from './path-filter.ts'
import { firstError, quoted } from './problem.ts'

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
  readonly inputs: Inputs
  /** Undefined where they are not known: every filter of paths selects then. */
  readonly changedPaths: readonly string[] | undefined
}

/** What an event starts. */
export type Selection =
  | {
      readonly kind: 'run'
      readonly jobs: readonly JobSpec[]
      /** Of a run that was started by hand, with defaults; empty for all others. */
      readonly inputs: Inputs
    }
  | { readonly kind: 'ignored'; readonly reason: string }
  | { readonly kind: 'error'; readonly error: ManifestError }

/** The jobs that `event` starts, in the order of the file. Never throws. */
export function select(pipeline: Pipeline, event: PipelineEvent): Selection {
  const { document, file, tree } = pipeline
  const reason = ignoredBy(document.on ?? DEFAULT_EVENTS, event, file)
  if (reason !== undefined) return { kind: 'ignored', reason }
  const declared = document.on?.manual?.inputs ?? {}
  const isManual = event.kind === 'manual'
  const checked = isManual
    ? checkInputs(declared, event.inputs, pipeline)
    : { kind: 'inputs' as const, inputs: presetInputs(declared) }
  if (checked.kind === 'error') return checked
  const inputs = isManual ? checked.inputs : {}
  if (pipeline.fixed !== undefined) return { kind: 'run', jobs: pipeline.fixed, inputs }
  const { defaults } = document
  const expansion = expand({ plans: pipeline.plans, defaults, tree }, values(event, checked.inputs))
  if (expansion.kind === 'jobs') return { kind: 'run', jobs: expansion.jobs, inputs }
  return { kind: 'error', error: firstError(expansion.problems, file) }
}

function values(event: PipelineEvent, inputs: Inputs): ReadonlyMap<string, string> {
  return new Map([
    ...EVENT_FIELDS.map((field) => [`event.${field}`, event[field]] as const),
    ...Object.entries(inputs).map(([name, value]) => [`inputs.${name}`, value] as const)
  ])
}

/** Why the event starts nothing; undefined where it does. */
function ignoredBy(on: Events, event: PipelineEvent, file: string): string | undefined {
  const { kind } = event
  if (on[kind] === undefined) return `on of ${file} has no ${kind}`
  const found = wrongPart(on, event)
  return found === undefined ? undefined : `on.${kind} of ${file} does not select ${found}`
}

/** What of the event is not selected. */
function wrongPart(on: Events, event: PipelineEvent): string | undefined {
  switch (event.kind) {
    case 'push':
      return wrongBranch(on.push?.branches, event) ?? wrongPaths(on.push?.paths, event)
    case 'pull_request':
      return (
        wrongBranch(on.pull_request?.branches, event) ??
        wrongLabels(on.pull_request?.labels, event) ??
        wrongPaths(on.pull_request?.paths, event)
      )
    case 'tag':
      return isAny(on.tag?.tags, event.tag) ? undefined : shown(event.tag)
    case 'schedule':
      return on.schedule?.some(({ branch }) => branch === undefined || branch === event.branch)
        ? undefined
        : shown(event.branch)
    case 'manual':
      return undefined
    default:
      return event.kind satisfies never
  }
}

function wrongBranch(patterns: Patterns, { branch }: PipelineEvent): string | undefined {
  return isAny(patterns, branch) ? undefined : shown(branch)
}

type Patterns = readonly string[] | undefined

function isAny(patterns: Patterns, name: string): boolean {
  return patterns?.some((pattern) => matchesGlob(pattern, name)) ?? true
}

function wrongLabels(wanted: Patterns, { labels }: PipelineEvent): string | undefined {
  if (wanted === undefined || wanted.some((label) => labels.includes(label))) return undefined
  return labels.length === 0 ? 'one without a label' : 'its labels'
}

function wrongPaths(patterns: Patterns, { changedPaths }: PipelineEvent): string | undefined {
  return selectsPaths(patterns, changedPaths) ? undefined : 'the changed paths'
}

/** A name from outside, short and on one line. */
function shown(name: string): string {
  return quoted(name).slice(1, -1)
}
