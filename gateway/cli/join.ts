import type { Command } from 'commander'
import { systemClock } from '../../protocol/host/clock.ts'
import { jsonText, several } from '../../protocol/host/command-text.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { type JoinedHost, joinHost } from '../../protocol/mesh/join-host.ts'
import { loadGatewaySettings } from '../config.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'

interface JoinOptions extends CommonOptions {
  readonly name?: string
  readonly listen?: readonly string[]
  readonly address?: readonly string[]
}

export function joinCommand(program: Command, around: Surroundings): void {
  common(program.command('join'))
    .description('become a member of a mesh, by the string that `agent invite` printed')
    .argument('<string>', '- reads it from standard input: other users can see arguments')
    .option(
      '--name <name>',
      'name of this gateway (default: as gateway.yaml says, else the host name)'
    )
    .option('--listen <multiaddr>', 'where to listen; may be repeated', several)
    .option('--address <multiaddr>', 'where others reach it; may be repeated', several)
    .option('--config <file>', 'settings, made where there are none')
    .option('--json', 'one JSON document, schema gateway.joined/1')
    .action(async (text: string, options: JoinOptions) => {
      const { paths, out, err, json, env } = contextOf(options, around)
      const load = (flags: Readonly<Record<string, unknown>>) =>
        loadGatewaySettings({ file: paths.config, fileRequired: false, flags, env })
      const { name, listen } = options
      if (text === '-' && around.stdin?.isTTY === true) err('paste the join string:\n')
      const joined = await joinHost(
        { paths, clock: systemClock(), random: systemRandom() },
        {
          joiner: 'gateway',
          text,
          input: around.stdin,
          wanted: (await load({ name, listen })).values,
          found: (await load({})).values,
          addresses: options.address ?? []
        }
      )
      if (json) out(jsonText({ schema: 'gateway.joined/1', ...joined }))
      else out(sentences(joined))
    })
}

function sentences(joined: JoinedHost): string {
  const { name, roles, rosterVersion, authority, addresses, config, configMade } = joined
  return [
    `${name} is a member (${roles.join(', ')}) of the mesh of ${authority}: roster ${rosterVersion}`,
    `others reach it at ${addresses.join(', ')}`,
    `its settings are in ${config}${configMade ? ', made now' : ''}`,
    'next: gateway repo add, then gateway start\n'
  ].join('\n')
}
