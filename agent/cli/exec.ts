import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import prettyMs from 'pretty-ms'
import { PIPELINE_EVENTS } from '../../protocol/core/run-event.ts'
import { jsonLine, jsonText, several } from '../../protocol/host/command-text.ts'
import { SilentExit } from '../../protocol/host/exit.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { pipelineBytes } from '../../protocol/host/pipeline-file.ts'
import { BROKEN_PIPE_EXIT } from '../../protocol/host/program.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import type { PipelineEvent } from '../../protocol/pipeline/selection.ts'
import { loadAgentSettings } from '../config.ts'
import { type ChosenJob, chosenJob } from '../exec/chosen-job.ts'
import { execute } from '../exec/exec.ts'
import { type LocalPlace, localPlace } from '../exec/local-place.ts'
import { secretValues } from '../exec/secret-files.ts'
import type { AttemptInput, AttemptOutcome } from '../execute/attempt.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'
import { Interrupt } from './interrupt.ts'
import { marked } from './render-jobs.ts'
import { renderLogLines } from './render-log.ts'

type Named = Readonly<Record<string, string>>

interface ExecOptions extends CommonOptions {
  readonly matrix?: Named
  readonly event?: PipelineEvent['kind']
  readonly branch?: string
  readonly tag?: string
  readonly label?: readonly string[]
  readonly input?: Named
  readonly secretFile?: Named
}

const USUAL_FILE = '.runner-mesh.yml'
const NO_COMMIT = '0'.repeat(40)

export function execCommand(program: Command, around: Surroundings): void {
  common(program.command('exec'))
    .description('run one job of a pipeline file here, in the sandbox of agents, without a mesh')
    .argument('<job>', 'name of the job')
    .argument('[file]', 'pipeline file (default: .runner-mesh.yml of the working tree)')
    .option('--matrix <key=value>', 'chooses an entry of its matrix; may be repeated', pair)
    .addOption(new Option('--event <kind>', 'what starts the run').choices(PIPELINE_EVENTS))
    .option('--branch <name>', 'branch of the event (default: the one checked out)')
    .option('--tag <name>', 'tag of the event')
    .option('--label <label>', 'label of the pull request; may be repeated', several)
    .option('--input <name=value>', 'input of a manual run; may be repeated', pair)
    .option('--secret-file <name=path>', 'value of a secret of the job; may be repeated', pair)
    .option('--config <file>', 'settings (default: agent.yaml of the system or state folder)')
    .option('--json', 'one document, schema agent.executed/1; the log goes to standard error')
    .action(async (job: string, file: string | undefined, options: ExecOptions) => {
      const context = contextOf(options, around)
      const interrupt = new Interrupt(around)
      try {
        await executed(context, job, file, options, interrupt.signal)
      } catch (error) {
        if (interrupt.isUnread) throw new SilentExit(BROKEN_PIPE_EXIT)
        if (interrupt.signal.aborted) throw new SilentExit(130)
        throw error
      } finally {
        interrupt.forget()
      }
    })
}

async function executed(
  context: Context,
  job: string,
  file: string | undefined,
  options: ExecOptions,
  signal: AbortSignal
): Promise<void> {
  const { around, clock, console, json, paths, env } = context
  const place = await localPlace('.', signal)
  const path = file ?? resolve(place.root, USUAL_FILE)
  const bytes = await pipelineBytes(path, around.stdin)
  const event = eventOf(options, place)
  const wish = { job, matrix: options.matrix ?? {}, kind: options.event, event }
  const chosen = checked(context, chosenJob(bytes, file ?? USUAL_FILE, wish))
  const { spec } = chosen
  const secrets = await secretValues(spec, options.secretFile ?? {})
  const fileRequired = options.config !== undefined
  const loaded = await loadAgentSettings({ file: paths.config, fileRequired, flags: {}, env })
  const log = printer(context)
  const needs = (spec.needs ?? []).length
  if (needs > 0) console.err(`${harmless(spec.name)} needs others: none of them is run here\n`)
  const parts = { settings: loaded.values, clock, random: systemRandom(), signal, log }
  const outcome = await execute(parts, { ...chosen, place, secrets })
  if (json) console.out(jsonText(documentOf(chosen, outcome)))
  else console.err(`${verdict(outcome, context)}\n`)
  if (outcome.state !== 'succeeded') throw new SilentExit(1)
}

function pair(text: string, before: Named = {}): Named {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('write it as NAME=VALUE')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

function eventOf(options: ExecOptions, place: LocalPlace): Omit<PipelineEvent, 'kind'> {
  const { branch: wanted, tag = '', label = [], input = {} } = options
  const isTag = options.event === 'tag'
  const branch = isTag ? '' : (wanted ?? place.branch ?? 'main')
  const tagName = isTag && tag === '' ? 'v1' : tag
  return {
    branch,
    tag: tagName,
    ref: isTag ? `refs/tags/${tagName}` : `refs/heads/${branch}`,
    commit: place.commit ?? NO_COMMIT,
    number: options.event === 'pull_request' ? '1' : '',
    labels: label,
    author: '',
    inputs: input,
    changedPaths: undefined
  }
}

/** Prints what is wrong with the file; the first of it is the error for programs. */
function checked(
  { console, json }: Context,
  chosen: ChosenJob
): Extract<ChosenJob, { kind: 'job' }> {
  if (chosen.kind === 'job') return chosen
  const { errors } = chosen
  if (json) {
    // As for every other error, with the first of them.
    const [first] = errors
    const { line, column, path } = first ?? {}
    const error = { code: first?.code, message: first?.message, facts: { line, column, path } }
    console.err(jsonLine({ error }))
  } else {
    for (const { code, message } of errors) console.err(`${code}: ${harmless(message)}\n`)
  }
  throw new SilentExit(1)
}

/** The job's lines on standard output, the mesh's own words on standard error. */
function printer({ console, clock, json }: Context): AttemptInput['log'] {
  const person = console.columns !== undefined
  const startedMs = clock.wallMs()
  let number = 0
  let step = 0
  return (at, stream, text) => {
    number += 1
    const line = { number, at: new Date(clock.wallMs()).toISOString(), step: at, stream, text }
    const style = { timestamps: false, person }
    const shown = renderLogLines([line], startedMs, style, console, step)
    if (at !== 0) step = at
    if (json || stream === 'mesh') console.err(shown)
    else console.out(shown)
  }
}

function verdict({ state, message, durationMs }: AttemptOutcome, { console }: Context): string {
  const why = state === 'succeeded' ? '' : `: ${harmless(message)}`
  return marked(state, `${state}${why} after ${prettyMs(durationMs)}`, console)
}

function documentOf({ spec, event }: Extract<ChosenJob, { kind: 'job' }>, outcome: AttemptOutcome) {
  const { state, reason, exitCode, message, durationMs, steps } = outcome
  return {
    schema: 'agent.executed/1',
    job: spec.name,
    matrix: spec.matrix ?? {},
    event: { kind: event.kind, branch: event.branch, tag: event.tag, commit: event.commit },
    ...{ state, reason, exitCode: exitCode ?? null, message, durationMs },
    steps: steps.map((step) => ({ ...step, exitCode: step.exitCode ?? null }))
  }
}
