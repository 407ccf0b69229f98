import type { Command } from 'commander'
import { z } from 'zod'
import { systemClock } from '../../protocol/host/clock.ts'
import { jsonText, several } from '../../protocol/host/command-text.ts'
import { addressSchema, nameSchema } from '../config.ts'
import { foundMesh } from '../enrolment.ts'
import { checked, zoneSchema } from './argument.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'

const leaseSchema = z.enum(['default', 'short'])

interface InitOptions extends CommonOptions {
  readonly name: string
  readonly address: readonly string[]
  readonly zone?: string
  readonly lease: string
}

export function initCommand(program: Command, around: Surroundings): void {
  common(program.command('init'))
    .description('make a mesh: its authority, and this agent as its first member and witness')
    .requiredOption('--name <name>', 'name of this agent')
    .requiredOption('--address <multiaddr>', 'where others reach it; may be repeated', several)
    .option('--zone <zone>', 'failure domain of this witness (default: its name)')
    .option('--lease <profile>', 'default (30 s) or short (3 s)', 'default')
    .option('--json', 'one JSON document, schema agent.init/1')
    .action(async (options: InitOptions) => {
      const { paths, console, json } = contextOf(options, around)
      const first = {
        name: checked('--name', nameSchema, options.name),
        addresses: options.address.map((text) => checked('--address', addressSchema, text)),
        zone: checked('--zone', zoneSchema, options.zone ?? options.name),
        lease: checked('--lease', leaseSchema, options.lease)
      }
      const made = await foundMesh(paths, first, systemClock())
      if (json) {
        console.out(jsonText({ schema: 'agent.init/1', ...made }))
        return
      }
      console.err(`this agent is ${made.peerId}/${made.storeId}; the mesh authority is\n`)
      console.out(`${made.authority}\n`)
    })
}
