import prettyBytes from 'pretty-bytes'
import prettyMs from 'pretty-ms'
import type { JobDocument } from '../../protocol/api/job-schema.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import type { Colour, Console } from './console.ts'
import { renderTable } from './table.ts'

const HEAD = ['ID', 'REPO', 'REF', 'JOB', 'STATE', 'HOLDER', 'EPOCH', 'AGE', 'TIME']
const TIES = ['NEEDS', 'RETRIES', 'GROUP']

interface Mark {
  readonly symbol: string
  readonly ascii: string
  readonly colour: Colour
}

const MARKS: Readonly<Record<JobDocument['state'], Mark>> = {
  queued: { symbol: '○', ascii: 'o', colour: 'yellow' },
  leased: { symbol: '●', ascii: '*', colour: 'blue' },
  running: { symbol: '●', ascii: '*', colour: 'blue' },
  succeeded: { symbol: '✓', ascii: '+', colour: 'green' },
  failed: { symbol: '✗', ascii: 'x', colour: 'red' },
  errored: { symbol: '!', ascii: '!', colour: 'magenta' },
  cancelled: { symbol: '–', ascii: '-', colour: 'dim' },
  skipped: { symbol: '–', ascii: '-', colour: 'dim' }
}

export function renderJobs(
  jobs: readonly JobDocument[],
  console: Console,
  columns: 'usual' | 'wide' = 'usual'
): string {
  if (jobs.length === 0) return 'no jobs\n'
  const isWide = columns === 'wide'
  const hasGpus = jobs.some(({ gpuUse, gpusNow }) => gpuUse !== null || gpusNow.length > 0)
  const names = new Map(jobs.map(({ id, name }) => [id, name]))
  const rows = harmless(jobs).map((job) => [
    job.shortId,
    job.repository,
    `${job.branch}@${job.commit.slice(0, 7)}`,
    job.name,
    stateCell(job, console),
    job.holder ?? '-',
    job.epoch === 0 ? '-' : String(job.epoch),
    prettyMs(job.ageMs, { compact: true }),
    job.durationMs === null ? '-' : prettyMs(job.durationMs, { secondsDecimalDigits: 0 }),
    ...(hasGpus ? [gpuCell(job)] : []),
    ...(isWide ? tiesOf(job, names) : []),
    job.why
  ])
  const head = [...HEAD, ...(hasGpus ? ['GPU'] : []), ...(isWide ? TIES : []), 'WHY']
  return renderTable(head, rows, console.columns)
}

/** Of a running job what it has now of all its GPUs, of an ended one mean and peak. */
function gpuCell({ gpuUse, gpusNow }: JobDocument): string {
  const percent = (value: number | null | undefined): string =>
    value === null || value === undefined ? '? %' : `${value} %`
  const bytes = (value: number | null | undefined): string =>
    value === null || value === undefined ? '?' : prettyBytes(value, { binary: true })
  if (gpuUse !== null) {
    const { busyMeanPercent, busyPeakPercent, memoryPeakBytes } = gpuUse
    return `${percent(busyMeanPercent)}, peak ${percent(busyPeakPercent)}, ${bytes(memoryPeakBytes)}`
  }
  if (gpusNow.length === 0) return '-'
  const each = gpusNow.map((one) => `${percent(one.busyPercent)} ${bytes(one.memoryBytes)}`)
  return each.join(', ')
}

/** A need is named where its job is in the list, too; else its place in the file is said. */
function tiesOf(job: JobDocument, names: ReadonlyMap<string, string>): readonly string[] {
  const needs = job.needs.map((id) => harmless(names.get(id) ?? id.replace(/^.*\./, '.')))
  const retries = job.retries === 0 ? '-' : String(job.retries)
  return [needs.join(',') || '-', retries, job.group ?? '-']
}

export function stateCell(job: JobDocument, console: Console): string {
  const { stage } = job
  const steps = stage?.name === 'step' ? `step ${stage.step}/${stage.steps}` : stage?.name
  const word = job.state === 'running' || job.state === 'leased' ? (steps ?? job.state) : job.state
  return marked(job.state, word, console)
}

/** The text with the mark and the colour of the state: neither says anything alone. */
export function marked(state: JobDocument['state'], text: string, console: Console): string {
  const { symbol, ascii, colour } = MARKS[state]
  return console.paint(colour, `${console.unicode ? symbol : ascii} ${text}`)
}
