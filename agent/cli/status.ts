import { type Command, Option } from 'commander'
import { MeshError } from '../../protocol/core/errors.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { type StatusView, statusSchema } from '../control/contract.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'
import { renderPeer, renderStatus } from './render-status.ts'
import { WATCH_TEXT, watch } from './watch.ts'

interface StatusOptions extends CommonOptions {
  readonly output?: 'wide'
  readonly watch?: boolean
  readonly quiet?: boolean
}

export function statusCommand(program: Command, around: Surroundings): void {
  common(program.command('status [name]'))
    .description(
      'every peer with state, jobs, platform, capacity, round trip and last sign of life'
    )
    .option('--watch', WATCH_TEXT)
    .addOption(
      new Option(
        '-o, --output <form>',
        'wide: peer id, address, CPU, memory, disk and GPUs too'
      ).choices(['wide'])
    )
    .option('--json', 'one document, schema agent.status/1; with --watch one a line')
    .option('-q, --quiet', 'names only')
    .action(async (name: string | undefined, options: StatusOptions) => {
      const context = contextOf(options, around)
      const { client, console, json } = context
      const read = async () => only(await client.get('/v1/status', statusSchema), name)
      const render = (status: StatusView): string => {
        if (options.quiet === true) {
          return status.peers.map((peer) => `${harmless(peer.name)}\n`).join('')
        }
        if (name !== undefined) return status.peers.map(renderPeer).join('\n')
        return renderStatus(status, console, options.output ?? 'narrow')
      }
      if (options.watch === true) return await watch(context, read, render)
      const status = await read()
      console.out(json ? jsonText(status) : render(status))
    })
}

/** Of `name` only, where one is given. Throws PEER_UNKNOWN. */
function only(status: StatusView, name: string | undefined): StatusView {
  const peers = status.peers.filter((peer) => {
    return name === undefined || peer.name === name || peer.peerId === name
  })
  if (name === undefined || peers.length > 0) return { ...status, peers }
  const known = status.peers.map((peer) => peer.name).join(', ')
  throw new MeshError('PEER_UNKNOWN', { name, known })
}
