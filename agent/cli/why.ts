import type { Command } from 'commander'
import { idSchema } from '../../protocol/api/job-query.ts'
import { whySchema } from '../../protocol/api/why-schema.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { checked } from './argument.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'
import { renderWhy } from './render-why.ts'

export function whyCommand(program: Command, around: Surroundings): void {
  common(program.command('why <job>'))
    .description('why a job waits: what it needs, and which host has it')
    .option('--json', 'one document, with every known host')
    .action(async (job: string, options: CommonOptions) => {
      const { client, console, json } = contextOf(options, around)
      checked('JOB', idSchema.shape.id, job)
      const document = await client.get(`/v1/jobs/${encodeURIComponent(job)}/why`, whySchema)
      console.out(json ? jsonText(document) : renderWhy(document, console))
    })
}
