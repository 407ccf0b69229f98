import type { Command } from 'commander'
import {
  type JoinOptions,
  runJoin,
  takesJoinString
} from '../../protocol/mesh/joining/join-command.ts'
import { loadGatewaySettings } from '../config.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'

export function joinCommand(program: Command, around: Surroundings): void {
  takesJoinString(common(program.command('join')), 'gateway').action(
    async (text: string, options: CommonOptions & JoinOptions) => {
      const { paths, out, err, json, env } = contextOf(options, around)
      await runJoin(text, options, {
        joiner: 'gateway',
        paths,
        json,
        stdin: around.stdin,
        settings: async (flags) => {
          const file = paths.config
          return (await loadGatewaySettings({ file, fileRequired: false, flags, env })).values
        },
        out,
        err,
        next: 'gateway repo add, then gateway start'
      })
    }
  )
}
