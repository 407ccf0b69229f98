import type { Command } from 'commander'
import { MeshError } from '../../protocol/core/errors.ts'
import { several } from '../../protocol/host/command-text.ts'
import { wholeNumber } from './argument.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'
import { reseatWhere, tellReseated } from './reseat.ts'

interface ResealOptions extends CommonOptions {
  readonly epoch: readonly number[]
  readonly without?: readonly string[]
  readonly yes?: boolean
}

export function resealCommand(program: Command, around: Surroundings): void {
  common(program.command('reseal'))
    .description('give up the registers of a witness epoch that lost its majority for good')
    .requiredOption('--epoch <number>', 'the witness epoch; may be repeated', epochs)
    .option('--without <name>', 'also take the seat of this witness; may be repeated', several)
    .option('--yes', 'jobs that still run there may run a second time')
    .option('--json', 'one JSON document, schema agent.reseated/1')
    .action(async (options: ResealOptions) => {
      const context = contextOf(options, around)
      const lost = [...options.epoch]
      const epoch = lost.join(', ')
      // Nobody can tell what still runs there: only a person may say that it does not matter.
      if (options.yes !== true) throw new MeshError('RESEAL_UNCONFIRMED', { epoch })
      const view = await reseatWhere(context, { without: [...(options.without ?? [])], lost })
      context.console.err(`${WARNING}\n`)
      tellReseated(context, view, `witness epoch ${epoch} is given up`)
    })
}

function epochs(text: string, before: readonly number[] = []): readonly number[] {
  return [...before, wholeNumber(text)]
}

const WARNING =
  'open runs of that epoch begin anew: each of their jobs may run a second time, those that had ended too'
