import {
  type AddressRange,
  formatAddress,
  parseAddress,
  rangeOf
} from '../../../protocol/core/address-range.ts'
import { causeOf, MeshError } from '../../../protocol/core/errors.ts'
import { SUBNET_TRIES_MAX } from '../../../protocol/core/network-limits.ts'
import type { EgressProxy } from '../egress/egress-proxy.ts'
import { proxyVariables } from '../egress/variables.ts'
import type { Engine } from '../engine.ts'
import { type ContainerBody, EngineError, type NetworkBody } from '../engine-types.ts'
import { bridgeOf, type NetworkedPolicy } from './bridge.ts'
import type { OnLost } from './firewall.ts'
import type { Gate, Guarded, RunInside } from './gate.ts'
import type { HostNetwork } from './host-network.ts'
import { networkBody, networkDifferences } from './network-body.ts'
import { besideOpening, hostOpening, type Opening, openingsFor } from './openings.ts'
import { freeSubnets } from './subnets.ts'

/**
 * Under a list nobody is asked for names: an engine's own resolver got answers past the rules of
 * the bridge (20.10.24). This server is reached from nowhere.
 */
const NOBODY = ['240.0.0.1'] as const

export type NetworkEngine = Pick<Engine, 'createNetwork' | 'networks' | 'removeNetwork'>

export interface JobNetworkParts {
  readonly engine: NetworkEngine
  readonly gate: Pick<Gate, 'open' | 'adopt' | 'prove' | 'leave' | 'close'>
  readonly host: Pick<HostNetwork, 'interfaces' | 'routes' | 'addresses' | 'shut'>
}

export interface JobNetworkOptions {
  readonly jobId: string
  readonly claimId: string
  readonly name: string
  readonly policy: NetworkedPolicy
  readonly labels: Readonly<Record<string, string>>
  /** Block that subnets are taken from. */
  readonly pool: string
  readonly nameServers: readonly string[]
  /** Names of the job's services, which are on it as well. */
  readonly beside?: readonly string[] | undefined
  /** For a policy that goes by names of hosts, and for no other. */
  readonly proxy?: Pick<EgressProxy, 'listen' | 'close'> | undefined
  /** The attempt must end: the rules cannot be proven any more. */
  readonly onLost: OnLost
}

/** The network of one attempt: a bridge of its own, whose name the host's rules go by. */
export class JobNetwork {
  readonly name: string
  readonly bridge: string
  readonly nameServers: readonly string[]
  /** Variables of the job's steps, `NAME=value`; none before it was opened or adopted. */
  env: readonly string[] = []
  readonly #parts: JobNetworkParts
  readonly #options: JobNetworkOptions
  #gateway = ''
  /** What opens the way to its proxy. */
  #place: readonly Opening[] = []

  constructor(parts: JobNetworkParts, options: JobNetworkOptions) {
    this.#parts = parts
    this.#options = options
    this.name = options.name
    const { policy, nameServers } = options
    const hasServers = policy === 'internet' || policy === 'open'
    this.nameServers = hasServers ? nameServers : NOBODY
    this.bridge = bridgeOf(options.policy, options.claimId)
  }

  /** Of the host on its bridge; '' before it is made. */
  get gateway(): string {
    return this.#gateway
  }

  /**
   * Before the container is made: what it is to be made of in place of `body`. Throws
   * SANDBOX_FAILED, SANDBOX_DIFFERS, NETWORK_UNENFORCED.
   */
  async open(body: ContainerBody): Promise<ContainerBody> {
    const made = await this.#create()
    await this.#readBack(made)
    this.#place = await this.#listen(false)
    return await this.#parts.gate.open(this.#guarded(), body)
  }

  /** In place of `open`, where a process before this one has opened it. */
  async adopt(body: ContainerBody): Promise<ContainerBody> {
    await this.#shut()
    this.#place = await this.#listen(true)
    return await this.#parts.gate.adopt(this.#guarded(), body)
  }

  /** Once the container runs, before anything of the job does. Throws NETWORK_UNENFORCED. */
  async prove(run: RunInside): Promise<void> {
    await this.#parts.gate.prove(this.#guarded(), run)
  }

  /** Opens the way to the proxy, which listens by then: else another's server could be there. */
  async #listen(isResumed: boolean): Promise<readonly Opening[]> {
    const { proxy, policy, claimId } = this.#options
    if (proxy === undefined) return []
    const [made] = await this.#parts.engine.networks({ 'runner-mesh.claim': claimId })
    const [subnet] = made?.subnets ?? []
    if (subnet === undefined) throw this.#failed('get a proxy', 'its network is gone')
    const place = await proxy.listen(subnet, isResumed).catch((error: unknown) => {
      throw this.#failed('get a proxy', causeOf(error))
    })
    this.env = proxyVariables(place, policy, this.#options.beside)
    return [hostOpening(this.bridge, place.address, place.port)]
  }

  /** Once no container is on it. May be called again, and where there is nothing to remove. */
  async remove(): Promise<void> {
    const { engine, gate } = this.#parts
    this.#options.proxy?.close()
    const claim = { 'runner-mesh.claim': this.#options.claimId }
    await gate.leave(this.#guarded())
    for (const { id } of await engine.networks(claim)) await engine.removeNetwork(id)
    await gate.close(this.#guarded())
  }

  #guarded(): Guarded {
    const { jobId, name, policy, labels, onLost, beside = [] } = this.#options
    const { bridge, gateway, nameServers } = this
    const openings = [
      ...openingsFor(policy, bridge, this.#options.nameServers),
      ...this.#place,
      ...(beside.length > 0 ? [besideOpening(bridge)] : [])
    ]
    return { jobId, name, bridge, gateway, policy, openings, nameServers, labels, onLost }
  }

  async #create(): Promise<NetworkBody> {
    const { engine, host } = this.#parts
    const { name, labels, pool, claimId, policy } = this.#options
    const closed = policy === 'none'
    const subnets = (await engine.networks({})).flatMap((each) => each.subnets)
    const taken = [...subnets.flatMap(blockOf), ...(await host.routes())]
    const seed = Number.parseInt(claimId.slice(0, 8), 16)
    for (const subnet of freeSubnets(pool, taken, seed, SUBNET_TRIES_MAX)) {
      const body = networkBody({ name, bridge: this.bridge, subnet, labels, closed })
      try {
        await engine.createNetwork(body)
        // Engines take the first one for themselves.
        this.#gateway = formatAddress(rangeOf(subnet).first + 1)
        return body
      } catch (error) {
        // Another agent of this engine was faster, or a network that is none of ours.
        if (!(error instanceof EngineError)) throw error
        // Taken as it is, a refusal of this engine would count as one of every engine's.
        if (!/overlap|conflict/i.test(error.message)) {
          throw this.#failed('get a network', error.message)
        }
      }
    }
    throw this.#failed('get a network', `no subnet of ${pool} is free: see \`network.subnets\``)
  }

  async #readBack(asked: NetworkBody): Promise<void> {
    const { engine, host } = this.#parts
    const claim = { 'runner-mesh.claim': this.#options.claimId }
    const found = await engine.networks(claim)
    const [made] = found
    // The container finds it by its name, which another could have as well.
    if (made === undefined || found.length > 1) {
      throw this.#failed('get a network', `the engine has ${found.length} of this claim, not 1`)
    }
    const [difference] = networkDifferences(asked, made)
    if (difference !== undefined) {
      const facts = { job: this.#options.jobId, difference: `its network's ${difference}` }
      throw new MeshError('SANDBOX_DIFFERS', facts)
    }
    // An engine that takes an option without a word may not act on it.
    const block = asked.IPAM.Config.flatMap(({ Subnet }) => blockOf(Subnet))
    if (asked.Internal && [...host.addresses()].some((each) => isIn(each, block))) {
      const cause = `the engine gave this host an address on ${this.bridge}`
      throw new MeshError('NETWORK_UNENFORCED', { cause })
    }
    if (!(await host.interfaces()).has(this.bridge)) {
      // Rules in one network namespace say nothing about bridges in another.
      const cause = `the engine made ${this.bridge} in another network namespace than this agent's`
      throw new MeshError('NETWORK_UNENFORCED', { cause })
    }
    await this.#shut()
  }

  /** A closed bridge has no address of the host, but datagrams find one without a route. */
  async #shut(): Promise<void> {
    if (this.#options.policy !== 'none') return
    if (await this.#parts.host.shut(this.bridge)) return
    const name = 'net.ipv4.conf.all.rp_filter'
    const cause = `the host takes datagrams from ${this.bridge}: have its owner set ${name} to 1`
    throw new MeshError('NETWORK_UNENFORCED', { cause })
  }

  #failed(action: string, cause: string): MeshError {
    return new MeshError('SANDBOX_FAILED', { job: this.#options.jobId, action, cause })
  }
}

/** Of an IPv4 subnet, whatever bits it has beyond its prefix. */
function blockOf(subnet: string): AddressRange[] {
  const [text = '', prefix = '32'] = subnet.split('/')
  const address = parseAddress(text)
  if (address === undefined) return []
  const size = 2 ** (32 - Number(prefix))
  const first = address - (address % size)
  return [{ first, last: first + size - 1 }]
}

function isIn(text: string, blocks: readonly AddressRange[]): boolean {
  const address = parseAddress(text) ?? Number.NaN
  return blocks.some(({ first, last }) => first <= address && address <= last)
}

/** What a network that could not be had says of itself, for a health line. */
export function networkCause(error: unknown): string {
  return error instanceof MeshError ? String(error.facts['cause'] ?? error.message) : causeOf(error)
}
