import type { Command } from 'commander'
import type { Joiner } from '../../core/invite.ts'
import { systemClock } from '../../host/clock.ts'
import { jsonText, several } from '../../host/command-text.ts'
import type { Input } from '../../host/input-line.ts'
import type { StatePaths } from '../../host/paths.ts'
import { systemRandom } from '../../host/random.ts'
import { type HostSettings, type JoinedHost, joinHost } from './join-host.ts'

export interface JoinOptions {
  readonly name?: string
  readonly listen?: readonly string[]
  readonly address?: readonly string[]
}

/** The program whose command it is. */
export interface JoinProgram {
  readonly joiner: Joiner
  readonly paths: StatePaths
  readonly json: boolean
  readonly stdin: Input | undefined
  /** What the settings say, with these options of the command. */
  readonly settings: (flags: Readonly<Record<string, unknown>>) => Promise<HostSettings>
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** What to do once this host is a member. */
  readonly next: string
}

/** Argument and options of `agent join` and `gateway join`. */
export function takesJoinString(command: Command, joiner: Joiner): Command {
  return command
    .description('become a member of a mesh, by the string that `agent invite` printed')
    .argument('<string>', '- reads it from standard input: other users can see arguments')
    .option(
      '--name <name>',
      `name of this ${joiner} (default: as ${joiner}.yaml says, else the host name)`
    )
    .option('--listen <multiaddr>', 'where to listen; may be repeated', several)
    .option('--address <multiaddr>', 'where others reach it; may be repeated', several)
    .option('--config <file>', 'settings, made where there are none')
    .option('--json', `one JSON document, schema ${joiner}.joined/1`)
}

/** Runs either. Throws what joinHost throws, and CONFIG_INVALID. */
export async function runJoin(
  text: string,
  options: JoinOptions,
  program: JoinProgram
): Promise<void> {
  const { joiner, paths, json, stdin, settings, out, err, next } = program
  const { name, listen } = options
  if (text === '-' && stdin?.isTTY === true) err('paste the join string:\n')
  const joined = await joinHost(
    { paths, clock: systemClock(), random: systemRandom() },
    {
      joiner,
      text,
      input: stdin,
      wanted: await settings({ name, listen }),
      found: await settings({}),
      addresses: options.address ?? []
    }
  )
  out(json ? jsonText({ schema: `${joiner}.joined/1`, ...joined }) : sentences(joined, next))
}

function sentences(joined: JoinedHost, next: string): string {
  const { name, roles, rosterVersion, authority, addresses, config, configMade } = joined
  return [
    `${name} is a member (${roles.join(', ')}) of the mesh of ${authority}: roster ${rosterVersion}`,
    `others reach it at ${addresses.join(', ')}`,
    `its settings are in ${config}${configMade ? ', made now' : ''}`,
    `next: ${next}\n`
  ].join('\n')
}
