import type { Command } from 'commander'
import { jsonText, several } from '../../protocol/host/command-text.ts'
import { type InviteView, inviteRequestSchema, inviteSchema } from '../control/contract.ts'
import { checked, durationMs } from './argument.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'

const roleSchema = inviteRequestSchema.shape.roles.element

interface InviteOptions extends CommonOptions {
  readonly role: readonly string[]
  readonly witness?: boolean
  readonly for: string
}

export function inviteCommand(program: Command, around: Surroundings): void {
  common(program.command('invite'))
    .description('print a join string: one host may join with it, once; it is a secret')
    .requiredOption('--role <role>', 'agent, gateway or operator; may be repeated', several)
    .option('--witness', 'the host is long-lived and keeps registers')
    .option('--for <duration>', 'how long it is good, at most 24h', '1h')
    .option('--json', 'one JSON document, schema agent.invite/1')
    .action(async (options: InviteOptions) => {
      const { client, console, json } = contextOf(options, around)
      const request = {
        roles: [...new Set(options.role)].map((role) => checked('--role', roleSchema, role)),
        witness: options.witness === true,
        forMs: durationMs('--for', options.for)
      }
      const invite = await client.post('/v1/invites', request, inviteSchema)
      if (json) {
        console.out(jsonText(invite))
        return
      }
      console.err(advice(invite))
      console.out(`${invite.string}\n`)
    })
}

function advice({ roles, witness, expiresAt }: InviteView): string {
  const program = roles.includes('gateway') ? 'gateway' : 'agent'
  const as = [...roles, ...(witness ? ['witness'] : [])].join(', ')
  return [
    `one host may join as ${as} until ${expiresAt}; there, run`,
    `  ${program} join -`,
    'and paste this line, which whoever has it may use:\n\n'
  ].join('\n')
}
