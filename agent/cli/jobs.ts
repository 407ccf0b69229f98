import type { Command } from 'commander'
import { jsonText } from '../../protocol/host/command-text.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { jobsSchema } from '../control/contract.ts'
import { wholeNumber } from './argument.ts'
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
    .option('-n, --limit <rows>', 'at most this many', wholeNumber, ROWS_DEFAULT)
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

function query(options: JobsOptions): string {
  const parameters = new URLSearchParams({ limit: String(options.limit) })
  if (options.only !== undefined) parameters.set('state', options.only)
  if (options.repo !== undefined) parameters.set('repository', options.repo)
  if (options.ref !== undefined) parameters.set('ref', options.ref)
  if (options.holder !== undefined) parameters.set('holder', options.holder)
  return parameters.toString()
}
