import type { Command } from 'commander'
import { MeshError } from '../../protocol/core/errors.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { statusSchema } from '../control/contract.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'
import { renderPeer, renderStatus } from './render-status.ts'

export function statusCommand(program: Command, around: Surroundings): void {
  common(program.command('status [name]'))
    .description(
      'every peer with state, jobs, platform, capacity, round trip and last sign of life'
    )
    .option('--json', 'one JSON document, schema agent.status/1')
    .option('-q, --quiet', 'names only')
    .action(async (name: string | undefined, options: CommonOptions & { quiet?: boolean }) => {
      const { client, console, json } = contextOf(options, around)
      const status = await client.get('/v1/status', statusSchema)
      const peers = status.peers.filter((peer) => {
        return name === undefined || peer.name === name || peer.peerId === name
      })
      if (name !== undefined && peers.length === 0) {
        const known = status.peers.map((peer) => peer.name).join(', ')
        throw new MeshError('PEER_UNKNOWN', { name, known })
      }
      if (json) console.out(jsonText({ ...status, peers }))
      else if (options.quiet === true)
        console.out(peers.map(({ name }) => `${harmless(name)}\n`).join(''))
      else if (name !== undefined) console.out(peers.map(renderPeer).join('\n'))
      else console.out(renderStatus(status, console))
    })
}
