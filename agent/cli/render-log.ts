import prettyMs from 'pretty-ms'
import type { JobDocument } from '../../protocol/api/job-schema.ts'
import type { LogView } from '../control/contract.ts'
import type { Console } from './console.ts'

type Line = LogView['lines'][number]

export interface LogStyle {
  /** `-t`: the wall clock of each line in front of it. */
  readonly timestamps: boolean
  /** A person reads it: header, gutter and step headings; plain lines otherwise. */
  readonly person: boolean
}

export function renderLogHead(log: LogView): string {
  const { job } = log
  const holder = job.holder === null ? '' : ` · ${job.holder}`
  const where = `${job.repository} ${job.branch}@${job.commit.slice(0, 7)}`
  return `${job.shortId} ${job.name} · ${where}${holder} · epoch ${log.epoch}\n`
}

/** Lines as printed; control codes of the job are kept for pipes and taken out for people. */
export function renderLogLines(
  lines: readonly Line[],
  startedAtMs: number,
  style: LogStyle,
  console: Console
): string {
  return lines.map((line) => renderLine(line, startedAtMs, style, console)).join('')
}

function renderLine(line: Line, startedAtMs: number, style: LogStyle, console: Console): string {
  const stamp = style.timestamps ? `${line.at} ` : ''
  if (!style.person) return `${stamp}${line.text}\n`
  const text = harmless(line.text)
  if (line.stream === 'mesh') return `${stamp}${console.paint('bold', `▸ ${text}`)}\n`
  const elapsed = Math.max(0, Math.round((Date.parse(line.at) - startedAtMs) / 1_000))
  const clock = `${Math.floor(elapsed / 60)}:${String(elapsed % 60).padStart(2, '0')}`
  const gutter = console.paint('dim', `${String(line.number).padStart(5)} ${clock.padStart(6)}`)
  return `${stamp}${gutter}  ${text}\n`
}

/** A job must not be able to move the reader's cursor, retitle the window or fake our lines. */
function harmless(text: string): string {
  const colours = /\u001b\[[0-9;]*m/g
  const kept = text.match(colours) ?? []
  const parts = text.split(colours).map((part) => {
    return part
      .replace(/\u001b\][^\u0007]*(\u0007|$)/g, '')
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '')
  })
  const reset = kept.length > 0 ? '\u001b[0m' : ''
  return parts.map((part, index) => part + (kept[index] ?? '')).join('') + reset
}

/** The last line for people: what became of the job. */
export function renderVerdict(job: JobDocument, console: Console): string {
  const took = job.durationMs === null ? '' : ` after ${prettyMs(job.durationMs)}`
  const on = job.holder === null ? '' : ` on ${job.holder}`
  if (job.state === 'succeeded') return console.paint('green', `✓ succeeded${took}${on}`)
  return console.paint('red', `✗ ${job.state}: ${job.why}${took}${on}`)
}
