import { randomBytes } from 'node:crypto'
import {
  abilityFor,
  type NetworkAbility,
  type NetworkPolicy
} from '../../../protocol/core/network.ts'
import type { NetworkedPolicy } from './bridge.ts'
import type { Firewall, OnLost } from './firewall.ts'
import { JobNetwork, type JobNetworkParts } from './job-network.ts'

export interface JobNetworksParts extends JobNetworkParts {
  readonly firewall: Firewall
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
}

type Labels = Readonly<Record<string, string>>

/** The networks of this agent's jobs, on a host whose owner lets the agent set its rules. */
export class JobNetworks {
  readonly #parts: JobNetworksParts
  readonly #options: JobNetworksOptions

  constructor(parts: JobNetworksParts, options: JobNetworksOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** Nothing while the rules are lost. */
  get offer(): readonly NetworkAbility[] {
    return this.lost === undefined ? this.#options.offer : []
  }

  /** Why the host's rules cannot be proven now; undefined where they can. */
  get lost(): string | undefined {
    return this.#parts.firewall.lost
  }

  /** Called when `lost` and `offer` change; one listener. */
  onChange(listener: () => void): void {
    this.#parts.firewall.onChange(listener)
  }

  /**
   * Undefined for a policy that the owner does not offer: nothing of such a job may run. Rules that
   * are lost it learns of when it is opened.
   */
  networkOf(
    policy: NetworkPolicy,
    request: NetworkRequest,
    labels: Labels
  ): JobNetwork | undefined {
    const ability = abilityFor(policy)
    if (ability === undefined || !this.#options.offer.includes(ability)) return undefined
    return this.#network(policy as NetworkedPolicy, request, labels)
  }

  /**
   * Puts the rules in place, and makes and removes one network as jobs get them. Throws what keeps
   * jobs from having one here.
   */
  async prove(peerId: string): Promise<void> {
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
    this.#parts.firewall.stop()
  }

  #network(policy: NetworkedPolicy, request: NetworkRequest, labels: Labels): JobNetwork {
    const { subnets: pool, nameServers } = this.#options
    return new JobNetwork(this.#parts, { ...request, policy, labels, pool, nameServers })
  }
}
