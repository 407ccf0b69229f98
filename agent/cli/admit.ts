import type { Command } from 'commander'
import { systemClock } from '../../protocol/host/clock.ts'
import { jsonText, several } from '../../protocol/host/command-text.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { readAuthority } from '../../protocol/mesh/identity.ts'
import { RosterBook } from '../../protocol/mesh/roster-book.ts'
import { admitMember } from '../admission.ts'
import { addressSchema, nameSchema } from '../config.ts'
import {
  type AdmitRequest,
  type AdmittedView,
  admitSchema,
  admittedSchema
} from '../control/contract.ts'
import { checked, zoneSchema } from './argument.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'

const roleSchema = admitSchema.shape.roles.element

interface AdmitOptions extends CommonOptions {
  readonly name: string
  readonly role: readonly string[]
  readonly address: readonly string[]
  readonly witness?: boolean
  readonly zone?: string
}

export function admitCommand(program: Command, around: Surroundings): void {
  common(program.command('admit <id>'))
    .description('sign a roster with this member in it and push it to everyone')
    .requiredOption('--name <name>', 'name of the member')
    .requiredOption('--role <role>', 'agent, gateway or operator; may be repeated', several)
    .requiredOption('--address <multiaddr>', 'where others reach it; may be repeated', several)
    .option('--witness', 'it is long-lived and keeps registers')
    .option('--zone <zone>', 'failure domain of the witness (default: its name)')
    .option('--json', 'one JSON document, schema agent.admitted/1')
    .action(async (id: string, options: AdmitOptions) => {
      const context = contextOf(options, around)
      const request: AdmitRequest = {
        id,
        name: checked('--name', nameSchema, options.name),
        roles: options.role.map((text) => checked('--role', roleSchema, text)),
        addresses: options.address.map((text) => checked('--address', addressSchema, text)),
        witness: options.witness === true,
        zone: checked('--zone', zoneSchema, options.zone ?? options.name)
      }
      const running = await context.client.answers()
      const admitted = running
        ? await context.client.post('/v1/members', request, admittedSchema)
        : await admitOffline(context, request)
      if (context.json) context.console.out(jsonText(admitted))
      else context.console.out(sentence(admitted))
    })
}

/** No daemon holds the state: the roster is signed into the folder and goes out at its start. */
async function admitOffline(context: Context, request: AdmitRequest): Promise<AdmittedView> {
  const { paths } = context
  const clock = systemClock()
  const book = await RosterBook.open(paths.rosters, await readAuthority(paths), clock)
  const { roster } = await admitMember({ paths, book, clock }, request)
  return {
    schema: 'agent.admitted/1',
    name: request.name,
    peerId: request.id.split('/')[0] ?? '',
    rosterVersion: roster.version,
    witnessEpoch: roster.witnessEpoch,
    pushed: false
  }
}

function sentence(admitted: AdmittedView): string {
  const { name, rosterVersion, pushed } = harmless(admitted)
  const how = pushed ? 'and is pushed to every member' : 'and goes out when this agent starts'
  return `${name} is admitted: roster ${rosterVersion} is signed ${how}\n`
}
