import type { Command } from 'commander'
import { jsonText } from '../../protocol/host/command-text.ts'
import { makeIdentity } from '../../protocol/mesh/members/identity.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'

interface IdOptions extends CommonOptions {
  readonly authority: string
}

export function idCommand(program: Command, around: Surroundings): void {
  common(program.command('id'))
    .description("make this agent's key and store, pin the authority, print peerId/storeId")
    .requiredOption('--authority <authority>', 'the line that `agent init` printed')
    .option('--json', 'one JSON document, schema agent.id/1')
    .action(async (options: IdOptions) => {
      const { paths, console, json } = contextOf(options, around)
      const made = await makeIdentity('agent', paths, options.authority)
      if (json) console.out(jsonText({ schema: 'agent.id/1', ...made }))
      else console.out(`${made.peerId}/${made.storeId}\n`)
    })
}
