import { Command } from 'commander'
import { VERSION } from '../../protocol/host/version.ts'
import { admitCommand } from './admit.ts'
import { cancelCommand } from './cancel.ts'
import type { Surroundings } from './command.ts'
import { drainCommand, resumeCommand } from './drain.ts'
import { idCommand } from './id.ts'
import { initCommand } from './init.ts'
import { jobsCommand } from './jobs.ts'
import { logsCommand } from './logs.ts'
import { startCommand } from './start.ts'
import { statusCommand } from './status.ts'

const COMMANDS = [
  initCommand,
  idCommand,
  admitCommand,
  startCommand,
  statusCommand,
  jobsCommand,
  logsCommand,
  cancelCommand,
  drainCommand,
  resumeCommand
]

/** The whole command line; rejects with CommanderError where commander has said what is wrong. */
export function agentProgram(around: Surroundings): Command {
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
  for (const add of COMMANDS) add(program, around)
  return program
}
