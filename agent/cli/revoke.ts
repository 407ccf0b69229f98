import type { Command } from 'commander'
import { systemClock } from '../../protocol/host/clock.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { revokeOffline, whileLocked } from '../admission.ts'
import { type RevokedView, type RevokeRequest, revokedSchema } from '../control/contract.ts'
import { revokedView } from '../control/revoked-view.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'

export function revokeCommand(program: Command, around: Surroundings): void {
  common(program.command('revoke <member...>'))
    .description('throw members out for good, by name or peer id: stolen, lying or given away')
    .option('--json', 'one JSON document, schema agent.revoked/1')
    .action(async (whom: string[], options: CommonOptions) => {
      const context = contextOf(options, around)
      const view = await revokeWhere(context, { whom })
      if (context.json) {
        context.console.out(jsonText(view))
        return
      }
      context.console.out(sentences(harmless(view)))
      context.console.err(adviceFor(view))
    })
}

/** The daemon signs where one answers; else this process does. */
async function revokeWhere(context: Context, request: RevokeRequest): Promise<RevokedView> {
  const { client, paths } = context
  const clock = systemClock()
  return await whileLocked(clock, async () => {
    if (await client.answers()) return await client.post('/v1/revocations', request, revokedSchema)
    return revokedView(await revokeOffline({ paths, clock }, request), false)
  })
}

function sentences({
  revoked,
  rosterVersion,
  witnessEpoch,
  witnesses,
  pushed
}: RevokedView): string {
  const who = revoked.map(({ name, peerId }) => `${name} (${peerId})`).join(', ')
  const how = pushed ? 'and is pushed to every member' : 'and goes out when this agent starts'
  return (
    `${who} ${revoked.length > 1 ? 'are' : 'is'} revoked: roster ${rosterVersion} is signed ${how}\n` +
    `witness epoch ${witnessEpoch}, witnesses: ${witnesses.join(', ')}\n`
  )
}

/** What no roster undoes: they keep what they have seen. */
function adviceFor({ revoked }: RevokedView): string {
  const wasGateway = revoked.some(({ roles }) => roles.includes('gateway'))
  const gateway =
    '  what the gateway kept: its key of secrets, tokens of forges, secrets of hooks, tokens of its API\n'
  return (
    'make anew whatever these hosts had, first where it was made, then in the mesh:\n' +
    '  secrets of jobs that ran there: `gateway secret set NAME --repo R`\n' +
    '  passwords of registries and keys in images or volumes there\n' +
    (wasGateway ? gateway : '')
  )
}
