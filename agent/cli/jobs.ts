import type { Command } from 'commander'
import { textSchema } from '../../protocol/api/job-query.ts'
import { jobStateSchema } from '../../protocol/api/job-schema.ts'
import { PAGE_ROWS_MAX } from '../../protocol/core/limits.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { jobsSchema } from '../control/contract.ts'
import { checked, numberUpTo } from './argument.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'
import { renderJobs } from './render-jobs.ts'

interface JobsOptions extends CommonOptions {
  readonly only?: string
  readonly repo?: string
  readonly ref?: string
  readonly holder?: string
  readonly limit: number
  readonly quiet?: boolean
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
    .option('-n, --limit <rows>', 'at most this many', numberUpTo(PAGE_ROWS_MAX), ROWS_DEFAULT)
    .option('--json', 'one JSON document, schema agent.jobs/1')
    .option('-q, --quiet', 'ids only')
    .action(async (options: JobsOptions) => {
      const { client, console, json } = contextOf(options, around)
      const document = await client.get(`/v1/jobs?${query(options)}`, jobsSchema)
      if (json) console.out(jsonText(document))
      else if (options.quiet === true)
        console.out(document.jobs.map(({ id }) => `${harmless(id)}\n`).join(''))
      else console.out(renderJobs(document.jobs, console))
    })
}

/** Throws USAGE where the daemon would refuse it: it does not know the options' names. */
function query(options: JobsOptions): string {
  const { only, repo, ref, holder } = options
  const parameters = new URLSearchParams({ limit: String(options.limit) })
  for (const state of only?.split(',') ?? []) checked('--only', jobStateSchema, state)
  if (only !== undefined) parameters.set('state', only)
  if (repo !== undefined) parameters.set('repository', checked('--repo', textSchema, repo))
  if (ref !== undefined) parameters.set('ref', checked('--ref', textSchema, ref))
  if (holder !== undefined) parameters.set('holder', checked('--holder', textSchema, holder))
  return parameters.toString()
}
