import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Daemon, eventually } from '../../deploy/demo/process.ts'
import { SmallDisk } from '../support/small-disk.ts'
import { compileFaults, Faults } from './disk.ts'
import { OwnEngine } from './engine.ts'
import type { History } from './history.ts'
import { DAEMON_PORT, Host, HTTP_PORT, RELAY_PORT } from './host.ts'
import { DESK, type Network } from './network.ts'
import { Relay } from './relay.ts'
import { PushedRepository, serveRepositories } from './repositories.ts'

export const AGENTS = ['a1', 'a2', 'a3', 'a4', 'a5'] as const
export const GATEWAYS = ['g1', 'g2'] as const
export const ENGINES = ['e1', 'e2'] as const
/**
 * Whose store may be lost. The stores of the other three are in every witness epoch of the run: an
 * epoch that loses its majority takes no run any more until an operator gives it up, as it must.
 */
export const LOSABLE = ['a2', 'a4'] as const
/** The first agent signs rosters: its state is never lost. */
export const SIGNER = 'a1'
export const SMALL_DISKS = ['a3', 'g2'] as const
/** MiB: an hour of stores, logs and checkouts fits. */
const SMALL_DISK_MIB = 384
const READY_MS_MAX = 90_000

/** Five agents that are witnesses, two gateways and two engines, and repositories to push to. */
export class World {
  readonly hosts: ReadonlyMap<string, Host>
  readonly engines: ReadonlyMap<string, OwnEngine>
  readonly disks = new Map<string, SmallDisk>()
  readonly repositories: PushedRepository[] = []
  readonly tokens = new Map<string, string>()
  readonly root: string
  readonly network: Network
  authority = ''
  #git: Daemon | undefined

  private constructor(
    root: string,
    network: Network,
    parts: { hosts: ReadonlyMap<string, Host>; engines: ReadonlyMap<string, OwnEngine> }
  ) {
    this.root = root
    this.network = network
    this.hosts = parts.hosts
    this.engines = parts.engines
  }

  static async make(
    root: string,
    network: Network,
    { seed, history }: { readonly seed: number; readonly history: History }
  ): Promise<World> {
    await mkdir(join(root, 'logs'), { recursive: true })
    const library = await compileFaults(root)
    const engines = new Map(
      ENGINES.map((name) => [name, new OwnEngine(name, join(root, name), network.inside(name))])
    )
    await Promise.all([...engines.values()].map((engine) => engine.start()))
    for (const engine of engines.values()) await engine.loadImage()
    const hosts = new Map<string, Host>()
    for (const [index, name] of [...AGENTS, ...GATEWAYS].entries()) {
      const inside = network.inside(name)
      const ports = { listen: RELAY_PORT, target: DAEMON_PORT }
      const host = new Host({
        name,
        role: name.startsWith('g') ? 'gateway' : 'agent',
        root,
        address: network.address(name),
        inside,
        // Two agents share each engine at least: names and labels keep them apart.
        engine: name.startsWith('g') ? undefined : engines.get(index < 3 ? 'e1' : 'e2'),
        faults: new Faults(library, join(root, `${name}.faults`)),
        relay: await Relay.start(inside, ports, seed + index),
        history
      })
      hosts.set(name, host)
    }
    const world = new World(root, network, { hosts, engines })
    await world.#enrol()
    return world
  }

  host(name: string): Host {
    const host = this.hosts.get(name)
    if (host === undefined) throw new Error(`${name} is no host of this run`)
    return host
  }

  engine(name: string): OwnEngine {
    const engine = this.engines.get(name)
    if (engine === undefined) throw new Error(`${name} is no engine of this run`)
    return engine
  }

  get agents(): readonly Host[] {
    return AGENTS.map((name) => this.host(name))
  }

  get gateways(): readonly Host[] {
    return GATEWAYS.map((name) => this.host(name))
  }

  /** Puts the member into the roster under this store, which is its newest one. */
  async admit(host: Host, id: string): Promise<void> {
    host.peerId = id.split('/')[0] ?? ''
    const role = ['--role', host.role, ...(host.role === 'agent' ? ['--witness'] : [])]
    const where = ['--name', host.name, '--address', host.multiaddr]
    await this.host(SIGNER).must('admit', id, ...where, ...role)
  }

  /** Key where there is none, a store where there is none; gives the line for `admit`. */
  async identify(host: Host): Promise<string> {
    return (await host.must('id', '--authority', this.authority)).trim()
  }

  async #enrol(): Promise<void> {
    for (const name of SMALL_DISKS) {
      this.disks.set(name, await SmallDisk.mount(join(this.root, name), SMALL_DISK_MIB))
    }
    const signer = this.host(SIGNER)
    for (const host of this.hosts.values()) await host.writeSettings()
    const init = ['init', '--name', SIGNER, '--address', signer.multiaddr, '--lease', 'short']
    const founded = JSON.parse(await signer.must(...init, '--json')) as {
      readonly authority: string
      readonly peerId: string
    }
    this.authority = founded.authority
    signer.peerId = founded.peerId
    const others = [...this.hosts.values()].filter((host) => host !== signer)
    const ids = await Promise.all(others.map((host) => this.identify(host)))
    // One after the other: each of them signs the next roster.
    for (const [index, host] of others.entries()) await this.admit(host, ids[index] ?? '')
    await this.#declare()
    for (const host of this.hosts.values()) host.release()
    await this.ready()
  }

  async #declare(): Promise<void> {
    const desk = this.network.address(DESK)
    this.#git = await serveRepositories(this.root, desk)
    for (const gateway of this.gateways) {
      const hookUrl = `http://${gateway.address}:${HTTP_PORT}/hooks/git`
      const name = `team-${gateway.name}`
      const repository = await PushedRepository.make(name, this.root, { address: desk, hookUrl })
      this.repositories.push(repository)
      const { url, secretFile } = repository
      await gateway.must('repo', 'add', name, '--url', url, '--secret-file', secretFile)
      const made = await gateway.must('token', 'create', '--scope', 'write', '--name', 'chaos')
      this.tokens.set(gateway.name, made.trim().split('\n').at(-1) ?? '')
    }
  }

  /** Resolves once every daemon answers and sees a quorum. */
  async ready(): Promise<void> {
    for (const gateway of this.gateways) {
      await eventually(
        `${gateway.name} sees a quorum`,
        async () => {
          const signal = AbortSignal.timeout(2_000)
          const reply = await fetch(`http://${gateway.address}:${HTTP_PORT}/healthz`, { signal })
          return reply.ok ? true : undefined
        },
        READY_MS_MAX,
        200
      )
    }
    for (const agent of this.agents) {
      await eventually(
        `${agent.name} takes jobs`,
        async () => {
          const { peers } = await agent.get<{ peers: { self: boolean; state: string }[] }>(
            '/v1/status'
          )
          const state = peers.find(({ self }) => self)?.state
          return state === 'idle' || state === 'busy' ? true : undefined
        },
        READY_MS_MAX,
        200
      )
    }
  }

  /** Ends every process of the run; what holds a disk or an engine comes last. */
  async stop(): Promise<void> {
    await Promise.all([...this.hosts.values()].map((host) => host.stop()))
    for (const host of this.hosts.values()) host.relay.stop()
    await this.#git?.stop()
    await Promise.all([...this.engines.values()].map((engine) => engine.stop()))
  }
}
