import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../protocol/host/clock.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { makeIdentity } from '../../protocol/mesh/members/identity.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { freePort } from './port-block.ts'
import { ProgramProcess } from './program-process.ts'

/** One gateway as a process of its own, from the sources. */
export class GatewayProcess extends ProgramProcess {
  constructor(args: readonly string[]) {
    super('gateway', args)
  }

  static start(state: string, ...more: readonly string[]): GatewayProcess {
    return new GatewayProcess(['start', '--state', state, ...more])
  }
}

export interface GatewayState {
  readonly state: string
  readonly config: string
  readonly httpUrl: string
}

/**
 * The state folder of a gateway with settings on free ports. With `roster` it is the only member
 * and witness of its mesh, so that every run it records is chosen.
 */
export async function gatewayState(dir: string, roster: 'roster' | 'none'): Promise<GatewayState> {
  const state = join(dir, 'gateway')
  const paths = statePaths('gateway', { state }, {})
  const authority = generateKey()
  const { peerId, storeId } = await makeIdentity('gateway', paths, authority.peerId)
  const [meshPort, httpPort] = [await freePort(), await freePort()]
  const address = `/ip4/127.0.0.1/tcp/${meshPort}`
  if (roster === 'roster') {
    const sealed = sealRoster(authority, {
      version: 1,
      prevHash: '',
      witnessEpoch: 1,
      w: 1,
      lease: 'short',
      authority: authority.peerId,
      members: [
        {
          peerId,
          name: 'front',
          roles: ['gateway', 'witness'],
          addresses: [address],
          witness: { storeId, zone: 'here' },
          notAfterMs: 4e12
        }
      ],
      revoked: []
    })
    const book = await RosterBook.open(paths.rosters, authority.peerId, systemClock())
    await book.offer(sealed.bytes)
  }
  await mkdir(state, { recursive: true })
  const lines = ['name: front', `listen: [${address}]`, `http: 127.0.0.1:${httpPort}`, '']
  await writeFile(paths.config, lines.join('\n'))
  return { state, config: paths.config, httpUrl: `http://127.0.0.1:${httpPort}` }
}
