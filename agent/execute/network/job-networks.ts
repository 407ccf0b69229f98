import { randomBytes } from 'node:crypto'
import {
  abilityFor,
  type NetworkAbility,
  type NetworkPolicy
} from '../../../protocol/core/network.ts'
import type { NetworkedPolicy } from './bridge.ts'
import type { Firewall } from './firewall.ts'
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

type Labels = Readonly<Record<string, string>>

/** The networks of this agent's jobs, on a host whose owner lets the agent set its rules. */
export class JobNetworks {
  readonly #parts: JobNetworksParts
  readonly #options: JobNetworksOptions

  constructor(parts: JobNetworksParts, options: JobNetworksOptions) {
    this.#parts = parts
    this.#options = options
  }

  get offer(): readonly NetworkAbility[] {
    return this.#options.offer
  }

  /** Undefined for a policy that is not offered here: nothing of such a job may run. */
  networkOf(
    policy: NetworkPolicy,
    request: { readonly jobId: string; readonly claimId: string; readonly name: string },
    labels: Labels
  ): JobNetwork | undefined {
    const ability = abilityFor(policy)
    if (ability === undefined || !this.offer.includes(ability)) return undefined
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
    const trial = this.#network('internet', { jobId: 'trial', claimId, name }, labels)
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

  #network(
    policy: NetworkedPolicy,
    request: { readonly jobId: string; readonly claimId: string; readonly name: string },
    labels: Labels
  ): JobNetwork {
    const { subnets: pool, nameServers } = this.#options
    return new JobNetwork(this.#parts, { ...request, policy, labels, pool, nameServers })
  }
}
