import type { Command } from 'commander'
import { several } from '../../protocol/host/command-text.ts'
import { makeStateFolder } from '../../protocol/host/durable-file.ts'
import { loadAgentSettings } from '../config.ts'
import { runDaemon } from '../daemon.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'

interface StartOptions extends CommonOptions {
  readonly name?: string
  readonly listen?: readonly string[]
  readonly logLevel?: string
}

export function startCommand(program: Command, around: Surroundings): void {
  common(program.command('start'))
    .description('run the agent in the foreground; SIGTERM drains, a second one cancels')
    .option('--config <file>', 'settings (default: agent.yaml of the system or state folder)')
    .option('--name <name>', 'name of this agent in its advertisements')
    .option('--listen <multiaddr>', 'where to listen; may be repeated', several)
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .action(async (options: StartOptions) => {
      const { paths, env } = contextOf(options, around)
      // Before the settings, which may lie in it: what is wrong with the folder is said first.
      await makeStateFolder(paths.state)
      const { values } = await loadAgentSettings({
        file: paths.config,
        fileRequired: options.config !== undefined,
        flags: { name: options.name, listen: options.listen, logLevel: options.logLevel },
        env
      })
      await runDaemon({ paths, settings: values })
    })
}
