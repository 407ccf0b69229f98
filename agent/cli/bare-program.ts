import { Command } from 'commander'
import { VERSION } from '../../protocol/host/version.ts'
import type { Surroundings } from './command.ts'

/** The program with these commands; rejects with CommanderError where commander has spoken. */
export function bareProgram(
  around: Surroundings,
  commands: readonly ((program: Command, around: Surroundings) => void)[]
): Command {
  const program = new Command('agent')
    .description('Runner Mesh: the agent of one build host')
    .version(VERSION)
    .configureOutput({
      writeOut: (text) => void around.stdout.write(text),
      writeErr: (text) => void around.stderr.write(text)
    })
    .exitOverride()
    .showHelpAfterError('(agent --help lists the commands)')
  // Settings of the program are copied when a subcommand is made: after they are set.
  for (const add of commands) add(program, around)
  return program
}
