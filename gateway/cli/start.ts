import type { Command } from 'commander'
import { several } from '../../protocol/host/command-text.ts'
import { makeStateFolder } from '../../protocol/host/durable-file.ts'
import { type GatewaySettings, loadGatewaySettings } from '../config.ts'
import { runDaemon } from '../daemon.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'

interface StartOptions extends CommonOptions {
  readonly name?: string
  readonly listen?: readonly string[]
  readonly httpListen?: string
  readonly logLevel?: string
}

export function startCommand(program: Command, around: Surroundings): void {
  common(program.command('start'))
    .description('run the gateway in the foreground; SIGTERM stops it, SIGHUP reads the settings')
    .option('--config <file>', 'settings (default: gateway.yaml of the system or state folder)')
    .option('--name <name>', 'name of this gateway in its log')
    .option('--listen <multiaddr>', 'where the mesh reaches it; may be repeated', several)
    .option('--http-listen <host:port>', 'where Git servers and API clients reach it')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .action(async (options: StartOptions) => {
      const { paths, env } = contextOf(options, around)
      const { name, listen, httpListen, logLevel } = options
      const load = async (): Promise<GatewaySettings> => {
        const { values } = await loadGatewaySettings({
          file: paths.config,
          fileRequired: options.config !== undefined,
          flags: { name, listen, http: httpListen, logLevel },
          env
        })
        return values
      }
      // Before the settings, which may lie in it: what is wrong with the folder is said first.
      await makeStateFolder(paths.state)
      await runDaemon({ paths, settings: await load(), reload: load })
    })
}
