import type { Command } from 'commander'
import {
  type JoinOptions,
  runJoin,
  takesJoinString
} from '../../protocol/mesh/joining/join-command.ts'
import { loadAgentSettings } from '../config.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'

export function joinCommand(program: Command, around: Surroundings): void {
  takesJoinString(common(program.command('join')), 'agent').action(
    async (text: string, options: CommonOptions & JoinOptions) => {
      const { paths, console, json, env } = contextOf(options, around)
      await runJoin(text, options, {
        joiner: 'agent',
        paths,
        json,
        stdin: around.stdin,
        settings: async (flags) => {
          const file = paths.config
          return (await loadAgentSettings({ file, fileRequired: false, flags, env })).values
        },
        out: console.out,
        err: console.err,
        next: 'agent start'
      })
    }
  )
}
