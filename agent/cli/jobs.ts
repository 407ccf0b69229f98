import type { Command } from 'commander'
import { textSchema } from '../../protocol/api/job-query.ts'
import { jobStateSchema } from '../../protocol/api/job-schema.ts'
import { PAGE_ROWS_MAX } from '../../protocol/core/limits.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { type JobsView, jobsSchema } from '../control/contract.ts'
import { checked, durationMs, numberUpTo } from './argument.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'
import { renderJobs } from './render-jobs.ts'
import { WATCH_TEXT, watch } from './watch.ts'

interface JobsOptions extends CommonOptions {
  readonly only?: string
  readonly repo?: string
  readonly ref?: string
  readonly holder?: string
  readonly since?: string
  readonly limit: number
  readonly watch?: boolean
  readonly quiet?: boolean
  readonly wide?: boolean
}

const ROWS_DEFAULT = 50

export function jobsCommand(program: Command, around: Surroundings): void {
  common(program.command('jobs'))
    .description('the newest jobs, and for each queued one why')
    .option(
      '--only <states>',
      'one or several, with commas: queued, running, succeeded, failed, errored, cancelled'
    )
    .option('--repo <name>', 'jobs of one repository')
    .option('--ref <branch>', 'jobs of one branch or ref')
    .option('--holder <name>', 'jobs that one agent holds or held')
    .option('--since <duration>', 'jobs announced in that time: 30m, 2h; at most 24h')
    .option('-n, --limit <rows>', 'at most this many', numberUpTo(PAGE_ROWS_MAX), ROWS_DEFAULT)
    .option('--wide', 'with the jobs that each one needs, its retries and its group')
    .option('--watch', WATCH_TEXT)
    .option('--json', 'one document, schema agent.jobs/1; with --watch one a line')
    .option('-q, --quiet', 'ids only')
    .action(async (options: JobsOptions) => {
      const context = contextOf(options, around)
      const { client, console, json } = context
      const asked = query(options, () => context.clock.wallMs())
      const read = (): Promise<JobsView> => client.get(`/v1/jobs?${asked()}`, jobsSchema)
      const render = ({ jobs }: JobsView): string => {
        if (options.quiet !== true)
          return renderJobs(jobs, console, options.wide === true ? 'wide' : 'usual')
        return jobs.map(({ id }) => `${harmless(id)}\n`).join('')
      }
      if (options.watch === true) return await watch(context, read, render)
      const document = await read()
      console.out(json ? jsonText(document) : render(document))
    })
}

/** What to ask, each time anew. Throws USAGE: the daemon does not know the options' names. */
function query(options: JobsOptions, nowMs: () => number): () => string {
  const { only, repo, ref, holder, since } = options
  const parameters = new URLSearchParams({ limit: String(options.limit) })
  for (const state of only?.split(',') ?? []) checked('--only', jobStateSchema, state)
  if (only !== undefined) parameters.set('state', only)
  if (repo !== undefined) parameters.set('repository', checked('--repo', textSchema, repo))
  if (ref !== undefined) parameters.set('ref', checked('--ref', textSchema, ref))
  if (holder !== undefined) parameters.set('holder', checked('--holder', textSchema, holder))
  const sinceMs = since === undefined ? undefined : durationMs('--since', since)
  return () => {
    if (sinceMs !== undefined) parameters.set('since', new Date(nowMs() - sinceMs).toISOString())
    return parameters.toString()
  }
}
