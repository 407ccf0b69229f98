import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { systemClock } from '../../protocol/host/clock.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { makeIdentity } from '../../protocol/mesh/identity.ts'
import { RosterBook } from '../../protocol/mesh/roster-book.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { eventually } from './eventually.ts'

const MAIN = resolve(import.meta.dirname, '../../gateway/main.ts')

export interface ExitedProcess {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

/** One gateway as a process of its own, from the sources. */
export class GatewayProcess {
  readonly pid: number
  readonly exited: Promise<ExitedProcess>
  stdout = ''
  stderr = ''
  readonly #child: ChildProcess

  constructor(args: readonly string[]) {
    const options = { stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] }
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], options)
    this.#child = child
    this.pid = child.pid ?? -1
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.exited = new Promise((done) => {
      child.on('close', (code, signal) => done({ code, signal, stderr: this.stderr }))
    })
  }

  static start(state: string, ...more: readonly string[]): GatewayProcess {
    return new GatewayProcess(['start', '--state', state, ...more])
  }

  kill(signal: NodeJS.Signals): Promise<ExitedProcess> {
    this.#child.kill(signal)
    return this.exited
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Once it has written a line with that message. */
  async said(message: string): Promise<void> {
    await eventually(
      `"${message}" in: ${this.stdout}${this.stderr}`,
      () => {
        if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.stderr}`)
        return this.stdout.includes(`"msg":"${message}"`)
      },
      30_000
    )
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

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
