import { Command } from 'commander'
import { VERSION } from '../../protocol/host/version.ts'
import type { Surroundings } from './command.ts'
import { credentialCommand } from './credential.ts'
import { idCommand } from './id.ts'
import { joinCommand } from './join.ts'
import { lintCommand } from './lint.ts'
import { repoCommand } from './repo.ts'
import { secretCommand } from './secret.ts'
import { startCommand } from './start.ts'
import { tokenCommand } from './token.ts'

/** The whole command line; rejects with CommanderError where commander has said what is wrong. */
export function gatewayProgram(around: Surroundings): Command {
  const program = new Command('gateway')
    .description('Runner Mesh: takes deliveries of Git servers and announces their jobs')
    .version(VERSION)
    .configureOutput({
      writeOut: (text) => void around.stdout.write(text),
      writeErr: (text) => void around.stderr.write(text)
    })
    .exitOverride()
    .showHelpAfterError('(gateway --help lists the commands)')
  // Settings of the program are copied when a subcommand is made: after they are set.
  for (const add of [
    idCommand,
    joinCommand,
    lintCommand,
    startCommand,
    tokenCommand,
    repoCommand,
    secretCommand,
    credentialCommand
  ])
    add(program, around)
  return program
}
