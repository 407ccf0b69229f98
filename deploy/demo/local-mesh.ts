import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { freePorts } from './ports.ts'
import { type CommandResult, Daemon, eventually, mustRun, runCommand } from './process.ts'

const REPOSITORY_ROOT = resolve(import.meta.dirname, '..', '..')
const AGENT_MAIN = join(REPOSITORY_ROOT, 'dist', 'agent', 'main.js')
const GATEWAY_MAIN = join(REPOSITORY_ROOT, 'dist', 'gateway', 'main.js')

/** First ports to try: the documented defaults, so that a lone demo looks like the docs. */
const PORTS: FirstPorts = { agent: 4471, gateway: 4481, http: 8471, git: 9418 }

interface FirstPorts {
  readonly agent: number
  readonly gateway: number
  readonly http: number
  readonly git: number
}

export interface LocalMeshOptions {
  /** Everything that the mesh writes is below it. */
  readonly root: string
  /**
   * The first of 240 ports that are this mesh's alone: two that start at once would find the same
   * ones free. The documented defaults where absent.
   */
  readonly firstPort?: number
  readonly agents?: number
  readonly lease?: 'default' | 'short'
  readonly gossip?: boolean
  /** Whether the gateway keeps registers too; true when absent. */
  readonly gatewayWitness?: boolean
  /** YAML lines of `capacity:` and labels for each agent. */
  readonly capacity?: { readonly cpu: number; readonly memory: string; readonly jobs: number }
  /** Further lines of `agent.yaml`, by the agent's name. */
  readonly settings?: Readonly<Record<string, readonly string[]>>
  readonly env?: Readonly<Record<string, string>>
  /** Arguments of node in place of the built `agent start`, by the agent's name. */
  readonly starts?: Readonly<Record<string, readonly string[]>>
}

export interface LocalPart {
  readonly name: string
  readonly state: string
  readonly port: number
  id: string
}

interface Founded {
  readonly peerId: string
  readonly storeId: string
}

/** A gateway and its agents as separate processes on loopback, each with its own state. */
export class LocalMesh {
  readonly root: string
  readonly agents: LocalPart[]
  readonly gateway: LocalPart
  readonly httpPort: number
  readonly gitPort: number
  token = ''
  readonly #daemons = new Map<string, Daemon>()
  readonly #options: LocalMeshOptions
  readonly #env: Readonly<Record<string, string>>
  readonly #gossip: boolean

  private constructor(parts: {
    options: LocalMeshOptions
    agents: LocalPart[]
    gateway: LocalPart
    httpPort: number
    gitPort: number
  }) {
    this.#options = parts.options
    this.root = parts.options.root
    this.agents = parts.agents
    this.gateway = parts.gateway
    this.httpPort = parts.httpPort
    this.gitPort = parts.gitPort
    this.#env = parts.options.env ?? {}
    this.#gossip = parts.options.gossip ?? true
  }

  /** Makes keys, settings and the roster, starts everything, resolves once a quorum answers. */
  static async start(options: LocalMeshOptions): Promise<LocalMesh> {
    const count = options.agents ?? 3
    const { agent, gateway, http, git } = firstPorts(options)
    const wanted = Array.from({ length: count }, (_, index) => agent + index)
    const ports = await freePorts([...wanted, gateway, http, git])
    const { root } = options
    const mesh = new LocalMesh({
      options,
      agents: wanted.map((_, index) => partOf(root, `agent-${index + 1}`, ports[index])),
      gateway: partOf(root, 'gateway', ports[count]),
      httpPort: ports[count + 1] ?? 0,
      gitPort: ports[count + 2] ?? 0
    })
    try {
      await mesh.#enrol(options)
    } catch (error) {
      await mesh.stop()
      throw error
    }
    return mesh
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${this.httpPort}`
  }

  daemon(name: string): Daemon {
    const daemon = this.#daemons.get(name)
    if (daemon === undefined) throw new Error(`${name} was not started`)
    return daemon
  }

  /** `agent ...` on the state of agent `index`. */
  agent(index: number, ...args: readonly string[]): Promise<CommandResult> {
    const state = this.agents[index]?.state ?? ''
    return runCommand(process.execPath, [AGENT_MAIN, ...args, '--state', state], { env: this.#env })
  }

  /** One document of `agent ... --json`. */
  async agentJson<T>(index: number, ...args: readonly string[]): Promise<T> {
    const result = await this.agent(index, ...args, '--json')
    if (result.code !== 0) throw new Error(result.stderr)
    return JSON.parse(result.stdout) as T
  }

  async api<T>(path: string): Promise<T> {
    const reply = await fetch(`${this.httpUrl}${path}`, {
      headers: { authorization: `Bearer ${this.token}` },
      signal: AbortSignal.timeout(10_000)
    })
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`)
    return (await reply.json()) as T
  }

  /** Declares a repository in gateway.yaml and has the gateway read it. */
  async addRepository(repository: {
    readonly name: string
    readonly url: string
    readonly secretFile: string
  }): Promise<void> {
    const { name, url, secretFile } = repository
    const add = ['repo', 'add', name, '--url', url, '--secret-file', secretFile]
    await this.#must(GATEWAY_MAIN, this.gateway, add)
    await this.daemon(this.gateway.name).kill('SIGHUP')
  }

  /** One host more, with settings and nothing else; gives its index. */
  async newHost(): Promise<number> {
    const index = this.agents.length
    const [port] = await freePorts([firstPorts(this.#options).agent + index])
    const agent = partOf(this.root, `agent-${index + 1}`, port)
    this.agents.push(agent)
    await writeAgentSettings(agent, this.#options)
    return index
  }

  /** A join string by the first agent. */
  async invite(...args: readonly string[]): Promise<string> {
    const [first] = this.agents
    if (first === undefined) throw new Error('a mesh has an agent')
    return lastLine(await this.#must(AGENT_MAIN, first, ['invite', ...args]))
  }

  /** With one string, as on a host of its own: nothing else is carried over. */
  async join(part: LocalPart, string: string): Promise<void> {
    const main = part === this.gateway ? GATEWAY_MAIN : AGENT_MAIN
    const joined = JSON.parse(
      await this.#must(main, part, ['join', '-', '--json'], `${string}\n`)
    ) as Founded
    part.id = `${joined.peerId}/${joined.storeId}`
  }

  startAgent(index: number): Daemon {
    const agent = this.agents[index]
    if (agent === undefined) throw new Error(`there is no agent ${index}`)
    const start = this.#options.starts?.[agent.name] ?? [AGENT_MAIN, 'start']
    return this.#spawn(agent, [...start, '--state', agent.state])
  }

  startGateway(): Daemon {
    return this.#spawn(this.gateway, [GATEWAY_MAIN, 'start', '--state', this.gateway.state])
  }

  /** Stops every process by its id, the gateway first so that nothing new comes in. */
  async stop(): Promise<void> {
    const daemons = [...this.#daemons.values()].reverse()
    await Promise.all(daemons.map((daemon) => daemon.stop()))
    this.#daemons.clear()
  }

  #spawn(part: LocalPart, args: readonly string[]): Daemon {
    const log = join(this.root, `${part.name}.log`)
    const daemon = new Daemon(part.name, log, [process.execPath, ...args], this.#env)
    this.#daemons.set(part.name, daemon)
    return daemon
  }

  async #enrol(options: LocalMeshOptions): Promise<void> {
    await mkdir(this.root, { recursive: true })
    const [first, ...others] = this.agents
    if (first === undefined) throw new Error('a mesh needs an agent')
    for (const agent of this.agents) await writeAgentSettings(agent, options)
    await this.#writeGatewaySettings(options)
    const lease = options.lease ?? 'default'
    const address = `/ip4/127.0.0.1/tcp/${first.port}`
    const init = ['init', '--name', first.name, '--address', address, '--lease', lease, '--json']
    const founded = JSON.parse(await this.#must(AGENT_MAIN, first, init)) as Founded
    first.id = `${founded.peerId}/${founded.storeId}`
    this.startAgent(0)
    await eventually(`${first.name} answers`, () => this.#alive(0))
    // One after the other: each join signs the next roster.
    for (const agent of others) {
      await this.join(agent, await this.invite('--role', 'agent', '--witness'))
    }
    const asWitness = (options.gatewayWitness ?? true) ? ['--witness'] : []
    await this.join(this.gateway, await this.invite('--role', 'gateway', ...asWitness))
    const create = ['token', 'create', '--scope', 'read', '--name', 'demo']
    this.token = lastLine(await this.#must(GATEWAY_MAIN, this.gateway, create))
    for (const index of others.keys()) this.startAgent(index + 1)
    this.startGateway()
    await this.ready()
  }

  /** Resolves once the gateway reports a quorum and every agent can take jobs. */
  async ready(): Promise<void> {
    await eventually('the gateway reports a quorum', async () => {
      const reply = await fetch(`${this.httpUrl}/healthz`, { signal: AbortSignal.timeout(2_000) })
      return reply.ok ? true : undefined
    })
    await eventually('every agent is idle', () => this.#idle())
    if (!this.#gossip) return
    await eventually('the gateway has heard every agent', async () => {
      const seen = await this.api<{ agents: { state: string }[] }>('/api/v1/agents')
      const idle = seen.agents.filter((agent) => agent.state === 'idle')
      return idle.length >= this.agents.length ? true : undefined
    })
  }

  /** By each agent's own word: without gossip nobody else hears it. */
  async #idle(): Promise<true | undefined> {
    for (const index of this.agents.keys()) {
      const status = await this.agentJson<{ peers: { self: boolean; state: string }[] }>(
        index,
        'status'
      )
      if (status.peers.find((peer) => peer.self)?.state !== 'idle') return undefined
    }
    return true
  }

  async #alive(index: number): Promise<true | undefined> {
    const daemon = this.daemon(this.agents[index]?.name ?? '')
    if (!daemon.running) throw new Error(await readFile(daemon.logFile, 'utf8'))
    return (await this.agent(index, 'status', '--json')).code === 0 ? true : undefined
  }

  #must(main: string, part: LocalPart, args: readonly string[], stdin = ''): Promise<string> {
    const full = [main, ...args, '--state', part.state]
    return mustRun(process.execPath, full, { env: this.#env, stdin })
  }

  async #writeGatewaySettings(options: LocalMeshOptions): Promise<void> {
    await mkdir(this.gateway.state, { recursive: true, mode: 0o700 })
    await writeFile(
      join(this.gateway.state, 'gateway.yaml'),
      [
        `name: ${this.gateway.name}`,
        `listen: [/ip4/127.0.0.1/tcp/${this.gateway.port}]`,
        `http: { host: 127.0.0.1, port: ${this.httpPort} }`,
        `gossip: ${options.gossip ?? true}`,
        ''
      ].join('\n')
    )
  }
}

/** As close as they may lie: what is taken is stepped over, by 200 ports at most. */
function firstPorts({ firstPort }: LocalMeshOptions): FirstPorts {
  if (firstPort === undefined) return PORTS
  return { agent: firstPort, gateway: firstPort + 10, http: firstPort + 20, git: firstPort + 30 }
}

async function writeAgentSettings(agent: LocalPart, options: LocalMeshOptions): Promise<void> {
  const { cpu, memory, jobs } = options.capacity ?? { cpu: 2, memory: '1GiB', jobs: 2 }
  await mkdir(agent.state, { recursive: true, mode: 0o700 })
  await writeFile(
    join(agent.state, 'agent.yaml'),
    [
      `name: ${agent.name}`,
      `listen: [/ip4/127.0.0.1/tcp/${agent.port}]`,
      `capacity: { cpu: ${cpu}, memory: ${memory}, jobs: ${jobs} }`,
      `labels: { host: ${agent.name} }`,
      `gossip: ${options.gossip ?? true}`,
      ...(options.settings?.[agent.name] ?? []),
      ''
    ].join('\n')
  )
}

function partOf(root: string, name: string, port = 0): LocalPart {
  return { name, state: join(root, name), port, id: '' }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? ''
}
