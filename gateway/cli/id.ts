import type { Command } from 'commander'
import { jsonText } from '../../protocol/host/command-text.ts'
import { makeIdentity } from '../../protocol/mesh/members/identity.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'

interface IdOptions extends CommonOptions {
  readonly authority: string
}

export function idCommand(program: Command, around: Surroundings): void {
  common(program.command('id'))
    .description("make this gateway's key and store, pin the authority, print peerId/storeId")
    .requiredOption('--authority <authority>', 'the line that `agent init` printed')
    .option('--json', 'one JSON document, schema gateway.id/1')
    .action(async (options: IdOptions) => {
      const { paths, out, json } = contextOf(options, around)
      const made = await makeIdentity('gateway', paths, options.authority)
      if (json) out(jsonText({ schema: 'gateway.id/1', ...made }))
      else out(`${made.peerId}/${made.storeId}\n`)
    })
}
