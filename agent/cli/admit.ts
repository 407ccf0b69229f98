import type { Command } from 'commander'
import type { Clock } from '../../protocol/core/ports.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { jsonText, several } from '../../protocol/host/command-text.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { admitOffline, whileLocked } from '../admission.ts'
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
      const clock = systemClock()
      const admitted = await whileLocked(clock, () => admitWhere(context, request, clock))
      if (context.json) context.console.out(jsonText(admitted))
      else context.console.out(sentence(admitted))
    })
}

/** The daemon admits where one answers; else this process does. */
async function admitWhere(
  { client, paths }: Context,
  request: AdmitRequest,
  clock: Clock
): Promise<AdmittedView> {
  if (await client.answers()) return await client.post('/v1/members', request, admittedSchema)
  const { roster } = await admitOffline({ paths, clock }, request)
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
