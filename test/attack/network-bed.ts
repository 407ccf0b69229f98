import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Backend } from '../../agent/execute/network/iptables.ts'
import { BASE_IMAGE } from '../../deploy/base-image.ts'

const run = promisify(execFile)
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
const NEIGHBOUR_PORT = 80
const PROGRAMS = ['iptables', 'ip6tables'] as const

/** The ways of `iptables` into the kernel that this host has. */
export const IPTABLES = (['nft', 'legacy'] as const).filter((backend) =>
  existsSync(`/usr/sbin/iptables-${backend}`)
)

/** Addresses that only this bed has: each is one route of the host's to a namespace of its own. */
export const WORLD = {
  internet: '1.2.3.4',
  otherInternet: '5.6.7.8',
  lan: '10.9.9.9',
  otherLan: '192.168.77.7',
  thirdLan: '172.31.0.9',
  metadata: '169.254.169.254',
  otherMetadata: '100.100.100.200',
  thirdMetadata: '168.63.129.16'
} as const

/** Both ends of the wire into it. */
const [HERE, THERE] = ['203.0.113.1', '203.0.113.2'] as const

/**
 * A fake internet, LAN and metadata service in a namespace, a service of the host, and a neighbour:
 * a container of somebody else's with a published port. `close` leaves none of it.
 */
export class NetworkBed {
  readonly #name: string
  readonly #wire: string
  #world: ChildProcess | undefined
  #host: Server | undefined
  #datagrams: Socket | undefined
  #neighbour = ''
  hostPort = 0
  neighbourPort = 0

  private constructor() {
    this.#name = `runner-mesh-bed-${process.pid}`
    this.#wire = `rmbed${process.pid}`.slice(0, 15)
  }

  static async open(): Promise<NetworkBed> {
    const bed = new NetworkBed()
    try {
      await bed.#wireUp()
      await bed.#people()
      return bed
    } catch (error) {
      await bed.close()
      throw error
    }
  }

  /** Every address that the host answers on. */
  async hostAddresses(): Promise<readonly string[]> {
    const { stdout } = await tool('ip', ['-4', '-o', 'address'])
    const found = [...stdout.matchAll(/^\d+: (\S+) +inet ([\d.]+)/gm)]
    // Bridges of other containers come and go.
    const lasting = found.filter(([, name = '']) => !/^(lo|br-|rmj)/.test(name))
    return lasting.map(([, , address = '']) => address)
  }

  /** What a container of the engine's own says, on a bridge without our rules, with `/programs`. */
  async underDefaults(script: string, programs?: string): Promise<string> {
    const name = `runner-mesh-bed-${process.pid}-plain`
    await tool('docker', ['network', 'create', '--subnet', '10.214.0.0/26', name])
    try {
      const mount = programs === undefined ? [] : ['--volume', `${programs}:/programs:ro`]
      const args = ['run', '--rm', '--network', name, ...mount, BASE_IMAGE, 'sh', '-c', script]
      return (await tool('docker', args)).stdout
    } finally {
      await tool('docker', ['network', 'rm', name])
    }
  }

  async close(): Promise<void> {
    this.#world?.kill('SIGKILL')
    this.#host?.closeAllConnections()
    this.#host?.close()
    this.#datagrams?.close()
    if (this.#neighbour !== '') await tool('docker', ['rm', '-f', this.#neighbour]).catch(ignore)
    await tool('ip', ['link', 'del', this.#wire]).catch(ignore)
    await tool('ip', ['netns', 'del', this.#name]).catch(ignore)
    await this.clearRules()
  }

  /** As a host is that never had an agent, whatever its rules were set by. */
  async clearRules(): Promise<void> {
    await clearRules()
  }

  async #wireUp(): Promise<void> {
    const inside = (...args: string[]) => tool('ip', ['-n', this.#name, ...args])
    await tool('ip', ['netns', 'add', this.#name])
    const peer = ['peer', 'name', 'eth0', 'netns', this.#name]
    await tool('ip', ['link', 'add', this.#wire, 'type', 'veth', ...peer])
    await tool('ip', ['address', 'add', HERE, 'peer', THERE, 'dev', this.#wire])
    await tool('ip', ['link', 'set', this.#wire, 'up'])
    await inside('address', 'add', THERE, 'peer', HERE, 'dev', 'eth0')
    for (const device of ['lo', 'eth0']) await inside('link', 'set', device, 'up')
    await inside('route', 'add', 'default', 'via', HERE)
    for (const address of Object.values(WORLD)) {
      await inside('address', 'add', `${address}/32`, 'dev', 'lo')
      // Not over another's: what there is goes on as it was.
      await tool('ip', ['route', 'add', `${address}/32`, 'via', THERE, 'dev', this.#wire])
    }
  }

  async #people(): Promise<void> {
    const script = join(import.meta.dirname, 'fake-world.mjs')
    const args = ['netns', 'exec', this.#name, process.execPath, script, WORLD.lan]
    this.#world = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH } })
    if (this.#world.stdout !== null) await once(this.#world.stdout, 'data')
    this.#host = createServer((_request, response) => response.end('host\n'))
    this.#host.listen(0, '0.0.0.0')
    await once(this.#host, 'listening')
    this.hostPort = (this.#host.address() as AddressInfo).port
    const datagrams = createSocket('udp4')
    this.#datagrams = datagrams
    datagrams.on('message', (_, from) => datagrams.send('host\n', from.port, from.address))
    datagrams.bind(this.hostPort, '0.0.0.0')
    await once(datagrams, 'listening')
    const serve = 'mkdir /tmp/w && echo here >/tmp/w/index.html && exec httpd -f -p 80 -h /tmp/w'
    const publish = ['--publish', `0.0.0.0::${NEIGHBOUR_PORT}`]
    const made = await tool('docker', ['run', '-d', ...publish, BASE_IMAGE, 'sh', '-c', serve])
    this.#neighbour = made.stdout.trim()
    const { stdout } = await tool('docker', ['port', this.#neighbour, String(NEIGHBOUR_PORT)])
    this.neighbourPort = Number(/:(\d+)\s*$/m.exec(stdout)?.[1])
  }
}

/** The same of a test without a bed. */
export async function clearRules(): Promise<void> {
  await tool('nft', ['delete', 'table', 'inet', 'runner_mesh']).catch(ignore)
  for (const backend of IPTABLES) for (const name of PROGRAMS) await clearChains(name, backend)
}

/** Ours alone, and what leads into them, in one step. */
async function clearChains(name: string, backend: Backend): Promise<void> {
  const { stdout } = await tool(`${name}-${backend}-save`, ['-t', 'filter'])
  const chains = [...stdout.matchAll(/^:(RUNNER-MESH-\S+)/gm)].map(([, chain]) => chain ?? '')
  if (chains.length === 0) return
  const hooks = [...stdout.matchAll(/^-A ((?!RUNNER-MESH)\S+ .*RUNNER-MESH.*)$/gm)]
  const lines = [
    ...hooks.map(([, rule]) => `-D ${rule}`),
    ...chains.map((chain) => `-F ${chain}`),
    ...chains.map((chain) => `-X ${chain}`)
  ]
  const restore = run(`${name}-${backend}-restore`, ['-w', '5', '--noflush'], { env: { PATH } })
  restore.child.stdin?.end(['*filter', ...lines, 'COMMIT', ''].join('\n'))
  await restore
}

async function tool(name: string, args: readonly string[]): Promise<{ readonly stdout: string }> {
  return await run(name, [...args], { env: { PATH } })
}

function ignore(): void {
  // It may never have been made.
}
