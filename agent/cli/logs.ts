import type { Command } from 'commander'
import { idSchema } from '../../protocol/api/job-query.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { type LogView, logSchema } from '../control/contract.ts'
import { checked, wholeNumber } from './argument.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'
import { followLogs } from './follow-logs.ts'
import { renderLogHead, renderLogLines, renderVerdict } from './render-log.ts'

export interface LogsOptions extends CommonOptions {
  readonly follow?: boolean
  readonly exitStatus?: boolean
  readonly epoch?: number
  readonly tail?: number
  readonly timestamps?: boolean
}

/** Lines of one answer; a longer log is read in pages. */
const PAGE_LINES = 1_000

export const ENDED: ReadonlySet<string> = new Set([
  'succeeded',
  'failed',
  'errored',
  'cancelled',
  'skipped'
])

export function logsCommand(program: Command, around: Surroundings): void {
  common(program.command('logs <job>'))
    .description('the log of a job, from wherever it is kept')
    .option('-f, --follow', 'go on with every line that comes, attempt after attempt, to the end')
    .option('--exit-status', 'with -f: exit 0 only where the job succeeded, else 1')
    .option('--epoch <n>', 'an earlier attempt', wholeNumber)
    .option('--tail <lines>', 'the last lines only', wholeNumber)
    .option('-t, --timestamps', 'the time of each line in front of it')
    .option('--json', 'one document, schema agent.log/1; with -f one a line, agent.log-line/1')
    .action(async (job: string, options: LogsOptions) => {
      const context = contextOf(options, around)
      const { client, console, json } = context
      checked('JOB', idSchema.shape.id, job)
      checkTogether(options)
      const read = (): Promise<LogView> => {
        return whole(
          readPages(job, options, (path) => client.get(path, logSchema)),
          options.tail
        )
      }
      if (options.follow === true) return await followLogs(context, job, options, read)
      const log = await read()
      if (json) {
        console.out(jsonText(log))
        return
      }
      const person = console.columns !== undefined
      // Of an earlier attempt the names would be right and the times those of another one.
      const steps = log.epoch === log.job.epoch ? log.job.steps : undefined
      const style = { timestamps: options.timestamps === true, person, steps }
      if (person) console.err(renderLogHead(log))
      const startedAtMs = Date.parse(log.lines[0]?.at ?? log.job.announcedAt)
      console.out(renderLogLines(log.lines, startedAtMs, style, console))
      if (person && ENDED.has(log.job.state)) console.err(`${renderVerdict(log.job, console)}\n`)
    })
}

/** Throws USAGE for options that contradict each other. */
function checkTogether({ follow, epoch, exitStatus }: LogsOptions): void {
  const problem =
    follow === true && epoch !== undefined
      ? '--epoch shows one attempt, -f goes on to the last: use one of them'
      : follow !== true && exitStatus === true && '--exit-status waits for the end: add -f'
  if (problem !== false) throw new MeshError('USAGE', { problem })
}

async function* readPages(
  job: string,
  options: LogsOptions,
  read: (path: string) => Promise<LogView>
): AsyncGenerator<LogView> {
  const epoch = options.epoch === undefined ? '' : `&epoch=${options.epoch}`
  let from = 1
  for (;;) {
    const id = encodeURIComponent(job)
    const page = await read(`/v1/jobs/${id}/log?from=${from}&limit=${PAGE_LINES}${epoch}`)
    yield page
    if (page.lines.length === 0 || page.next <= from) return
    from = page.next
  }
}

/** All pages as one; with `tail` only the last lines are ever held. */
async function whole(pages: AsyncGenerator<LogView>, tail: number | undefined): Promise<LogView> {
  let lines: LogView['lines'] = []
  let last: LogView | undefined
  for await (const page of pages) {
    last = page
    lines = [...lines, ...page.lines]
    if (tail !== undefined) lines = lines.slice(-tail)
  }
  if (last === undefined) throw new Error('the agent gave no page')
  return { ...last, lines }
}
