import { randomBytes } from 'node:crypto'
import {
  abilitiesFor,
  type NetworkAbility,
  type NetworkPolicy,
  needsProxy,
  type OfferedNetwork
} from '../../../protocol/core/network.ts'
import { NETWORK_PROOF_EVERY_MS } from '../../../protocol/core/network-limits.ts'
import type { Clock } from '../../../protocol/core/ports.ts'
import type { Log } from '../../../protocol/host/log.ts'
import { type EgressParts, EgressProxy } from '../egress/egress-proxy.ts'
import type { JobVoice } from '../egress/journal.ts'
import type { NetworkedPolicy } from './bridge.ts'
import type { Firewall, OnLost } from './firewall.ts'
import { JobNetwork, type JobNetworkParts, networkCause } from './job-network.ts'

export interface JobNetworksParts extends JobNetworkParts {
  readonly firewall: Firewall
  readonly egress: EgressParts
  readonly clock: Clock
  readonly log: Log
}

export interface JobNetworksOptions {
  /** What the owner offers. */
  readonly offer: readonly OfferedNetwork[]
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
  /** Names of the job's services, which are on it as well. */
  readonly beside?: readonly string[] | undefined
  /** What its proxy says in the job's log. */
  readonly voice: JobVoice
}

const SILENT: JobVoice = { say: () => undefined, mask: (text) => text }

type Labels = Readonly<Record<string, string>>

/** The networks of this agent's jobs, on a host whose owner lets the agent set its rules. */
export class JobNetworks {
  readonly #parts: JobNetworksParts
  readonly #options: JobNetworksOptions
  #unproven: string | undefined = 'it was not tried yet'
  #unnamed: string | undefined = 'it was not tried yet'
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
    if (this.lost !== undefined) return []
    const { offer } = this.#options
    return this.#unnamed === undefined ? [...offer, 'names'] : offer
  }

  /** Why no job gets hosts by their names here; undefined where they do, or are not offered. */
  get unnamed(): string | undefined {
    return this.#options.offer.includes('internet') ? this.#unnamed : undefined
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
    const abilities = abilitiesFor(policy)
    if (this.#unproven !== undefined || abilities.length === 0) return undefined
    const offer = [...this.#options.offer, ...(this.#unnamed === undefined ? ['names'] : [])]
    if (!abilities.every((ability) => offer.includes(ability))) return undefined
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
   * Puts the rules in place, and makes and removes networks as jobs get them, one with a proxy
   * where names are offered; what fails is tried again every NETWORK_PROOF_EVERY_MS.
   * Resolves after the first try.
   */
  async prove(peerId: string): Promise<void> {
    this.#unproven = await this.#cause(() => this.#try(peerId, 'internet'))
    if (this.#options.offer.includes('internet')) {
      const named = (): Promise<void> => this.#try(peerId, 'audit')
      this.#unnamed = this.#unproven ?? (await this.#cause(named))
    }
    this.#onChange()
    if (this.#isStopped || (this.#unproven === undefined && this.unnamed === undefined)) return
    const again = (): void => void this.prove(peerId)
    this.#disarm = this.#parts.clock.arm(NETWORK_PROOF_EVERY_MS, again)
  }

  async #cause(work: () => Promise<void>): Promise<string | undefined> {
    try {
      await work()
      return undefined
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'networks of jobs not proven')
      return networkCause(error)
    }
  }

  async #try(peerId: string, policy: NetworkedPolicy): Promise<void> {
    await this.#parts.firewall.check()
    const claimId = randomBytes(16).toString('hex')
    const name = `runner-mesh-trial-${claimId.slice(0, 8)}`
    const labels = { 'runner-mesh.peer': peerId, 'runner-mesh.claim': claimId }
    const onLost = (): void => undefined
    const request = { jobId: 'trial', claimId, name, onLost, voice: SILENT }
    const trial = this.#network(policy, request, labels)
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
    const { voice, ...own } = request
    const { egress } = this.#parts
    const proxy = needsProxy(policy) ? new EgressProxy(egress, { policy, voice }) : undefined
    return new JobNetwork(this.#parts, { ...own, policy, labels, pool, nameServers, proxy })
  }
}
