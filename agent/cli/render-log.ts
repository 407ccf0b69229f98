import prettyMs from 'pretty-ms'
import type { JobDocument } from '../../protocol/api/job-schema.ts'
import { harmless, harmlessLine } from '../../protocol/host/harmless.ts'
import type { LogView } from '../control/contract.ts'
import type { Console } from './console.ts'
import { marked } from './render-jobs.ts'

type Line = LogView['lines'][number]

export interface LogStyle {
  /** `-t`: the wall clock of each line in front of it. */
  readonly timestamps: boolean
  /** A person reads it: header, gutter and step headings; plain lines otherwise. */
  readonly person: boolean
  /** Of the attempt whose log it is, with their times; absent as long as nobody knows them. */
  readonly steps?: JobDocument['steps'] | undefined
}

export function renderLogHead(log: LogView): string {
  const job = harmless(log.job)
  const holder = job.holder === null ? '' : ` · ${job.holder}`
  const where = `${job.repository} ${job.branch}@${job.commit.slice(0, 7)}`
  return `${job.shortId} ${job.name} · ${where}${holder} · epoch ${log.epoch}\n`
}

/**
 * Lines as printed; control codes of the job are kept for pipes and taken out for people. `step` is
 * that of the line before them.
 */
export function renderLogLines(
  lines: readonly Line[],
  startedAtMs: number,
  style: LogStyle,
  console: Console,
  step = 0
): string {
  let before = step
  return lines
    .map((line) => {
      const heading = line.step === before ? '' : renderHeading(line.step, style, console)
      // The mesh speaks in the middle of a step, too: it goes on behind that.
      if (line.step !== 0) before = line.step
      return heading + renderLine(line, startedAtMs, style, console)
    })
    .join('')
}

/** What the mesh itself says is no step's. */
function renderHeading(step: number, { person, steps }: LogStyle, console: Console): string {
  if (!person || step === 0) return ''
  const known = steps?.[step - 1]
  const took = known === undefined || known.durationMs === 0 ? '' : prettyMs(known.durationMs)
  const name = known === undefined ? `step ${step}` : harmless(known.name)
  return heading(`${name}  ${took}`.trimEnd(), console)
}

function heading(text: string, console: Console): string {
  return `${console.paint('bold', `${console.unicode ? '▸' : '>'} ${text}`)}\n`
}

function renderLine(line: Line, startedAtMs: number, style: LogStyle, console: Console): string {
  const stamp = style.timestamps ? `${line.at} ` : ''
  if (!style.person) return `${stamp}${line.text}\n`
  const text = harmlessLine(line.text)
  if (line.stream === 'mesh') return `${stamp}${heading(text, console)}`
  const elapsed = Math.max(0, Math.round((Date.parse(line.at) - startedAtMs) / 1_000))
  const clock = `${Math.floor(elapsed / 60)}:${String(elapsed % 60).padStart(2, '0')}`
  const gutter = console.paint('dim', `${String(line.number).padStart(5)} ${clock.padStart(6)}`)
  return `${stamp}${gutter}  ${text}\n`
}

/** The last line for people: what became of the job. */
export function renderVerdict(view: JobDocument, console: Console): string {
  const job = harmless(view)
  const took = job.durationMs === null ? '' : ` after ${prettyMs(job.durationMs)}`
  const on = job.holder === null ? '' : ` on ${job.holder}`
  const why = job.state === 'succeeded' ? '' : `: ${job.why}`
  return marked(job.state, `${job.state}${why}${took}${on}`, console)
}
