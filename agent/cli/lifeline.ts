import type { Command } from 'commander'
import { createLog } from '../../protocol/host/log.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { runGuardian } from '../lifeline/run-guardian.ts'
import { type CommonOptions, common, type Surroundings } from './command.ts'

export function lifelineCommand(program: Command, around: Surroundings): void {
  common(program.command('lifeline'))
    .description('guard the containers of one agent from outside; `agent start` starts it itself')
    .option('--stay', 'go on when the agent is gone and nothing is left: for a unit of its own')
    .action(async (options: CommonOptions & { readonly stay?: boolean }) => {
      const { state } = statePaths('agent', options, around.env)
      // Whoever read our lines may be gone: that is no reason to end.
      around.stdout.on('error', () => undefined)
      const log = createLog({ name: 'lifeline', level: 'info', stream: around.stdout })
      await runGuardian({ state, stay: options.stay === true, log })
    })
}
