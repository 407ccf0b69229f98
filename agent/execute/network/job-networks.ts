import { randomBytes } from 'node:crypto'
import {
  abilityFor,
  type NetworkAbility,
  type NetworkPolicy
} from '../../../protocol/core/network.ts'
import { NETWORK_PROOF_EVERY_MS } from '../../../protocol/core/network-limits.ts'
import type { Clock } from '../../../protocol/core/ports.ts'
import type { Log } from '../../../protocol/host/log.ts'
import type { NetworkedPolicy } from './bridge.ts'
import type { Firewall, OnLost } from './firewall.ts'
import { JobNetwork, type JobNetworkParts, networkCause } from './job-network.ts'

export interface JobNetworksParts extends JobNetworkParts {
  readonly firewall: Firewall
  readonly clock: Clock
  readonly log: Log
}

export interface JobNetworksOptions {
  /** What the owner offers. */
  readonly offer: readonly NetworkAbility[]
  /** Block that subnets are taken from, as `10.213.0.0/16`. */
  readonly subnets: string
  /** Addresses of what jobs ask for names. */
  readonly nameServers: readonly string[]
}

export interface NetworkRequest {
  readonly jobId: string
  readonly claimId: string
  readonly name: string
  readonly onLost: OnLost
  /** For a job whose services are on it as well. */
  readonly shared?: boolean | undefined
}

type Labels = Readonly<Record<string, string>>

/** The networks of this agent's jobs, on a host whose owner lets the agent set its rules. */
export class JobNetworks {
  readonly #parts: JobNetworksParts
  readonly #options: JobNetworksOptions
  #unproven: string | undefined = 'it was not tried yet'
  #onChange: () => void = () => undefined
  #disarm: (() => void) | undefined
  #isStopped = false

  constructor(parts: JobNetworksParts, options: JobNetworksOptions) {
    this.#parts = parts
    this.#options = options
    parts.firewall.onChange(() => this.#onChange())
  }

  /** Nothing until the rules are proven, and while they are lost. */
  get offer(): readonly NetworkAbility[] {
    return this.lost === undefined ? this.#options.offer : []
  }

  /** Why the host's rules cannot be proven now; undefined where they can. */
  get lost(): string | undefined {
    return this.#unproven ?? this.#parts.firewall.lost
  }

  /** Called when `lost` and `offer` change; one listener. */
  onChange(listener: () => void): void {
    this.#onChange = listener
  }

  /**
   * Undefined for a policy that the owner does not offer, and on a host that has proven nothing:
   * nothing of such a job may run. Rules that are lost it learns of when it is opened.
   */
  networkOf(
    policy: NetworkPolicy,
    request: NetworkRequest,
    labels: Labels
  ): JobNetwork | undefined {
    const ability = abilityFor(policy)
    if (this.#unproven !== undefined) return undefined
    if (ability === undefined || !this.#options.offer.includes(ability)) return undefined
    return this.#network(policy as NetworkedPolicy, request, labels)
  }

  /**
   * The network of a job with services that may reach nothing else. It has no way out and none to
   * the host whatever rules there are; those that are in place must only let it be.
   */
  closed(request: Omit<NetworkRequest, 'onLost'>, labels: Labels): JobNetwork {
    const onLost = (): void => undefined
    return this.#network('none', { ...request, onLost }, labels)
  }

  /**
   * Puts the rules in place, and makes and removes one network as jobs get them; where that fails,
   * again every NETWORK_PROOF_EVERY_MS until it does not. Resolves after the first try.
   */
  async prove(peerId: string): Promise<void> {
    try {
      await this.#try(peerId)
      this.#unproven = undefined
      this.#onChange()
    } catch (error) {
      this.#unproven = networkCause(error)
      this.#parts.log.warn({ err: error }, 'networks of jobs not proven')
      if (this.#isStopped) return
      const again = (): void => void this.prove(peerId)
      this.#disarm = this.#parts.clock.arm(NETWORK_PROOF_EVERY_MS, again)
    }
  }

  async #try(peerId: string): Promise<void> {
    await this.#parts.firewall.check()
    const claimId = randomBytes(16).toString('hex')
    const name = `runner-mesh-trial-${claimId.slice(0, 8)}`
    const labels = { 'runner-mesh.peer': peerId, 'runner-mesh.claim': claimId }
    const onLost = (): void => undefined
    const trial = this.#network('internet', { jobId: 'trial', claimId, name, onLost }, labels)
    try {
      await trial.open()
    } finally {
      await trial.remove()
    }
  }

  /** Looks at the rules no more; they stay. */
  stop(): void {
    this.#isStopped = true
    this.#disarm?.()
    this.#parts.firewall.stop()
  }

  #network(policy: NetworkedPolicy, request: NetworkRequest, labels: Labels): JobNetwork {
    const { subnets: pool, nameServers } = this.#options
    return new JobNetwork(this.#parts, { ...request, policy, labels, pool, nameServers })
  }
}
