import { randomBytes } from 'node:crypto'
import {
  abilitiesFor,
  type NetworkAbility,
  type NetworkPolicy,
  type NetworkRules,
  needsProxy,
  type OfferedNetwork
} from '../../../protocol/core/network.ts'
import { NETWORK_PROOF_EVERY_MS } from '../../../protocol/core/network-limits.ts'
import type { Clock } from '../../../protocol/core/ports.ts'
import type { Log } from '../../../protocol/host/log.ts'
import { type EgressParts, EgressProxy } from '../egress/egress-proxy.ts'
import type { JobVoice } from '../egress/journal.ts'
import type { NetworkedPolicy } from './bridge.ts'
import type { OnLost } from './firewall.ts'
import type { Gate } from './gate.ts'
import { JobNetwork, type JobNetworkParts, networkCause } from './job-network.ts'

/** One way to keep jobs to their policies. */
export interface Way {
  readonly rules: NetworkRules
  /** What of an owner's offer it can keep. */
  readonly keeps: readonly OfferedNetwork[]
  readonly gate: Gate
}

export interface JobNetworksParts extends Omit<JobNetworkParts, 'gate'> {
  /** In the order of their trial; the first that proves itself is taken. */
  readonly ways: readonly Way[]
  /** Opens it, and rejects where a container on it gets where it must not; see tryNetwork. */
  readonly tryOut: (network: JobNetwork) => Promise<void>
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
  /** The runtime that the job asks for; absent for the plain one. */
  readonly runtime?: string | undefined
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
  #way: Way | undefined
  /** Why the ways before the one that was taken were not, or all of them. */
  #failed = 'it was not tried yet'
  #unnamed: string | undefined = 'it was not tried yet'
  #onChange: () => void = () => undefined
  #disarm: (() => void) | undefined
  #isStopped = false

  constructor(parts: JobNetworksParts, options: JobNetworksOptions) {
    this.#parts = parts
    this.#options = options
    for (const { gate } of parts.ways) gate.onChange(() => this.#onChange())
  }

  /** Nothing until the rules are proven, and while they are lost. */
  get offer(): readonly NetworkAbility[] {
    const offered = this.#offered()
    if (this.lost !== undefined) return []
    return this.#unnamed === undefined ? [...offered, 'names'] : offered
  }

  /** Why no job gets hosts by their names here; undefined where they do, or are not offered. */
  get unnamed(): string | undefined {
    return this.#options.offer.includes('internet') ? this.#unnamed : undefined
  }

  /** Why the host's rules cannot be proven now; undefined where they can. */
  get lost(): string | undefined {
    return this.#way === undefined ? this.#failed : this.#way.gate.lost
  }

  /** What the host's kernel was told by; undefined before it is proven. */
  get rules(): NetworkRules | undefined {
    return this.#way?.rules
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
    const way = this.#way
    const abilities = abilitiesFor(policy)
    if (way === undefined || abilities.length === 0) return undefined
    const offer = [...this.#offered(), ...(this.#unnamed === undefined ? ['names'] : [])]
    if (!abilities.every((ability) => offer.includes(ability))) return undefined
    // A runtime with a network stack of its own sends past what its namespace was told.
    if (way.rules === 'holder' && request.runtime !== undefined) return undefined
    // A holder's namespace is its job's alone: what is beside it would be on the bridge without.
    if (way.rules === 'holder' && (request.beside ?? []).length > 0) return undefined
    return this.#network(way, policy as NetworkedPolicy, request, labels)
  }

  /**
   * Puts the rules in place, and makes, tries and removes networks as jobs get them: one way after
   * the other until one is proven, and with a proxy where names are offered. What fails is tried
   * again every NETWORK_PROOF_EVERY_MS until it does not. Resolves after the first round.
   */
  async prove(peerId: string): Promise<void> {
    // Not another one later: jobs may be on the networks of the first.
    this.#way ??= await this.#choose(peerId)
    const way = this.#way
    if (this.#options.offer.includes('internet')) {
      const named = (): Promise<string | undefined> =>
        way === undefined ? Promise.resolve(this.#failed) : this.#cause(way, peerId, 'audit')
      this.#unnamed = await named()
    }
    this.#onChange()
    if (this.#isStopped || (way !== undefined && this.unnamed === undefined)) return
    const again = (): void => void this.prove(peerId)
    this.#disarm = this.#parts.clock.arm(NETWORK_PROOF_EVERY_MS, again)
  }

  async #choose(peerId: string): Promise<Way | undefined> {
    const failed: string[] = []
    for (const way of this.#parts.ways) {
      const cause = await this.#cause(way, peerId, 'internet')
      if (cause === undefined) {
        this.#parts.log.info({ rules: way.rules, failed }, 'networks of jobs proven')
        return way
      }
      failed.push(`${way.rules}: ${cause}`)
    }
    this.#failed = failed.join('; ')
    return undefined
  }

  async #cause(way: Way, peerId: string, policy: NetworkedPolicy): Promise<string | undefined> {
    try {
      await this.#try(way, peerId, policy)
      return undefined
    } catch (error) {
      this.#parts.log.warn({ rules: way.rules, err: error }, 'networks of jobs not proven')
      return networkCause(error)
    }
  }

  /** What the owner offers and its way can keep. */
  #offered(): readonly OfferedNetwork[] {
    const keeps = this.#way?.keeps ?? []
    return this.#options.offer.filter((ability) => keeps.includes(ability))
  }

  async #try(way: Way, peerId: string, policy: NetworkedPolicy): Promise<void> {
    await way.gate.check()
    const claimId = randomBytes(16).toString('hex')
    const name = `runner-mesh-trial-${claimId.slice(0, 8)}`
    const labels = { 'runner-mesh.peer': peerId, 'runner-mesh.claim': claimId }
    const onLost = (): void => undefined
    const request = { jobId: 'trial', claimId, name, onLost, voice: SILENT }
    const trial = this.#network(way, policy, request, labels)
    try {
      await this.#parts.tryOut(trial)
    } finally {
      await trial.remove()
    }
  }

  /** Looks at the rules no more; they stay. */
  stop(): void {
    this.#isStopped = true
    this.#disarm?.()
    for (const { gate } of this.#parts.ways) gate.stop()
  }

  #network(
    { gate }: Way,
    policy: NetworkedPolicy,
    request: NetworkRequest,
    labels: Labels
  ): JobNetwork {
    const { engine, host, egress } = this.#parts
    const { subnets: pool, nameServers } = this.#options
    const { voice, ...own } = request
    const proxy = needsProxy(policy) ? new EgressProxy(egress, { policy, voice }) : undefined
    const options = { ...own, policy, labels, pool, nameServers, proxy }
    return new JobNetwork({ engine, host, gate }, options)
  }
}
