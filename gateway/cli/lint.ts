import { type Command, InvalidArgumentError, Option } from 'commander'
import { MeshError } from '../../protocol/core/errors.ts'
import type { JobSpec, ManifestError } from '../../protocol/core/run.ts'
import { PIPELINE_EVENTS } from '../../protocol/core/run-event.ts'
import { jsonText, several } from '../../protocol/host/command-text.ts'
import { SilentExit } from '../../protocol/host/exit.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { pipelineBytes } from '../../protocol/host/pipeline-file.ts'
import { parsePipeline } from '../../protocol/pipeline/parse-pipeline.ts'
import { type PipelineEvent, type Selection, select } from '../../protocol/pipeline/selection.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'
import { errorLines } from './lint-lines.ts'

interface LintOptions extends CommonOptions {
  readonly event?: PipelineEvent['kind']
  readonly branch?: string
  readonly tag?: string
  readonly label?: readonly string[]
  readonly author?: string
  readonly input?: Readonly<Record<string, string>>
  readonly changed?: readonly string[]
}

/** The answer is no: docs/cli.md. */
const BAD_FILE_EXIT = 1
/** How messages call standard input. */
const STDIN_NAME = 'stdin'

export function lintCommand(program: Command, around: Surroundings): void {
  common(program.command('lint'))
    .description('check a pipeline file; with --event, show the jobs that it would start')
    .argument('<file>', 'pipeline file, - for standard input')
    .addOption(new Option('--event <kind>', 'what starts a run').choices(PIPELINE_EVENTS))
    .option('--branch <name>', 'branch of the event; of a pull request the one that it goes to')
    .option('--tag <name>', 'tag of the event')
    .option('--label <label>', 'label of the pull request; may be repeated', several)
    .option('--author <name>', 'who made the event')
    .option('--input <name=value>', 'input of a manual run; may be repeated', anInput)
    .option('--changed <path>', 'path that the event changes; may be repeated', several)
    .option('--json', 'one JSON document, schema gateway.lint/1')
    .action(async (file: string, options: LintOptions) => {
      const context = contextOf(options, around)
      const event = eventOf(options)
      const bytes = await pipelineBytes(file, around.stdin)
      const linted = lint(bytes, file === '-' ? STDIN_NAME : file, event)
      if (context.json) context.out(jsonText(documentOf(linted)))
      else say(context, linted, around.stdout.isTTY === true)
      if (linted.errors.length > 0) throw new SilentExit(BAD_FILE_EXIT)
    })
}

interface Linted {
  readonly file: string
  readonly bytes: Uint8Array
  readonly errors: readonly ManifestError[]
  /** Undefined where the file is not good, or no event was named. */
  readonly selection: Selection | undefined
  readonly jobCount: number
}

function lint(bytes: Uint8Array, file: string, event: PipelineEvent | undefined): Linted {
  const parsed = parsePipeline(bytes, { file })
  const none = { file, bytes, selection: undefined, jobCount: 0 }
  if (parsed.kind === 'error') return { ...none, errors: parsed.errors }
  const { pipeline } = parsed
  const jobCount = pipeline.plans.reduce((sum, { entries }) => sum + entries.length, 0)
  if (event === undefined) return { ...none, errors: [], jobCount }
  const selection = select(pipeline, event)
  const errors = selection.kind === 'error' ? [selection.error] : []
  return { file, bytes, errors, selection, jobCount }
}

function anInput(text: string, before: Readonly<Record<string, string>> = {}) {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('write it as NAME=VALUE')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** Throws USAGE where only other options say what the event is. */
function eventOf({ event, ...facts }: LintOptions): PipelineEvent | undefined {
  const { branch, tag, label, author, input, changed } = facts
  if (event === undefined) {
    const given = [branch, tag, label, author, input, changed].some((fact) => fact !== undefined)
    if (!given) return undefined
    throw new MeshError('USAGE', { problem: 'these say more of an event: name it with --event' })
  }
  const isPullRequest = event === 'pull_request'
  return {
    kind: event,
    branch: branch ?? (event === 'tag' ? '' : 'main'),
    tag: tag ?? (event === 'tag' ? 'v1' : ''),
    ref: '',
    commit: '0'.repeat(40),
    number: isPullRequest ? '1' : '',
    labels: label ?? [],
    author: author ?? '',
    inputs: input ?? {},
    changedPaths: changed
  }
}

function say({ out, err }: Context, linted: Linted, isTerminal: boolean): void {
  const { file, bytes, errors, selection, jobCount } = linted
  for (const line of errorLines(errors, { file, bytes, isTerminal })) out(line)
  if (errors.length > 0) return
  if (selection === undefined) err(`${harmless(file)} is good: ${counted(jobCount)}\n`)
  if (selection?.kind === 'ignored') err(`${harmless(selection.reason)}: no run starts\n`)
  if (selection?.kind !== 'run') return
  const { jobs } = selection
  for (const job of jobs) out(`${jobLine(job, jobs)}\n`)
  err(`${counted(jobs.length)} would run\n`)
}

function counted(count: number): string {
  return `${count} job${count === 1 ? '' : 's'}`
}

function jobLine(job: JobSpec, jobs: readonly JobSpec[]): string {
  const needs = (job.needs ?? []).map((index) => jobs[index]?.name ?? '')
  const after = needs.length === 0 ? [] : [`after ${needs.join(', ')}`]
  const parts = [job.name, job.platform ?? 'native', job.image, ...after]
  return parts.map((part) => harmless(part)).join('   ')
}

function documentOf({ file, errors, selection }: Linted): object {
  return {
    schema: 'gateway.lint/1',
    file,
    good: errors.length === 0,
    errors: errors.map(({ code, message, line, column, path }) => {
      return { code, message, line, column, path: path ?? null }
    }),
    ...(selection?.kind === 'run' ? { jobs: selection.jobs.map(jobOf) } : {}),
    ...(selection?.kind === 'ignored' ? { ignored: selection.reason } : {})
  }
}

function jobOf({ index, name, platform, image, needs = [], matrix = {} }: JobSpec): object {
  return { index, name, platform: platform ?? null, image, needs, matrix }
}
