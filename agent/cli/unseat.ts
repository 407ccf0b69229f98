import type { Command } from 'commander'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'
import { reseatWhere, tellReseated } from './reseat.ts'

export function unseatCommand(program: Command, around: Surroundings): void {
  common(program.command('unseat <name...>'))
    .description('take the seat of a witness that is gone for good: its jobs move to the others')
    .option('--json', 'one JSON document, schema agent.reseated/1')
    .action(async (names: string[], options: CommonOptions) => {
      const context = contextOf(options, around)
      const view = await reseatWhere(context, { without: names, lost: [] })
      tellReseated(
        context,
        view,
        `${names.join(', ')} keep${names.length > 1 ? '' : 's'} no registers any more`
      )
    })
}
