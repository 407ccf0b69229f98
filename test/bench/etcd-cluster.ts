import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { eventually } from '../support/eventually.ts'
import { cpuUsOf } from './child.ts'

const NODES = 3
const START_MS = 30_000

/** Three etcd nodes on loopback, as its own documents set them up: every write is synced. */
export class EtcdCluster {
  readonly #processes: readonly ChildProcess[]
  /** Client addresses, `host:port`. */
  readonly hosts: readonly string[]

  private constructor(processes: readonly ChildProcess[], hosts: readonly string[]) {
    this.#processes = processes
    this.hosts = hosts
  }

  static async start(dir: string): Promise<EtcdCluster> {
    await mkdir(dir, { recursive: true })
    const ports = await freePorts(2 * NODES)
    const peers = ports.slice(NODES).map((port) => `http://127.0.0.1:${port}`)
    const cluster = peers.map((url, index) => `n${index}=${url}`).join(',')
    const hosts = ports.slice(0, NODES).map((port) => `127.0.0.1:${port}`)
    const processes = hosts.map((host, index) => {
      const peer = `${peers[index]}`
      const flags = [
        ['name', `n${index}`],
        ['data-dir', join(dir, `n${index}`)],
        ['listen-client-urls', `http://${host}`],
        ['advertise-client-urls', `http://${host}`],
        ['listen-peer-urls', peer],
        ['initial-advertise-peer-urls', peer],
        ['initial-cluster', cluster],
        ['log-level', 'error']
      ]
      const args = flags.map(([flag, value]) => `--${flag}=${value}`)
      return spawn('etcd', args, { stdio: 'ignore' })
    })
    const started = new EtcdCluster(processes, hosts)
    try {
      for (const host of hosts) await eventually(`etcd at ${host}`, () => isHealthy(host), START_MS)
    } catch (error) {
      await started.stop()
      throw error
    }
    return started
  }

  async cpuUs(): Promise<number> {
    const each = await Promise.all(this.#processes.map(({ pid }) => cpuUsOf(pid ?? 0)))
    return each.reduce((sum, us) => sum + us, 0)
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#processes.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const exited = once(child, 'exit')
        child.kill('SIGTERM')
        await exited
      })
    )
  }
}

/** Throws with the way out where etcd is not installed and cannot be. */
export function installEtcd(): void {
  const { status } = spawnSync('sh', ['deploy/etcd.sh'], { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('etcd is missing: sh deploy/etcd.sh says how to install it')
}

export function etcdVersion(): string {
  const { stdout } = spawnSync('etcd', ['--version'], { encoding: 'utf8' })
  return stdout.split('\n')[0]?.replace('etcd Version: ', '') ?? ''
}

async function isHealthy(host: string): Promise<boolean> {
  try {
    const reply = await fetch(`http://${host}/health`)
    return reply.ok && ((await reply.json()) as { health?: string }).health === 'true'
  } catch {
    return false
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
