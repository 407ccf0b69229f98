import type { OfferedNetwork } from '../../../protocol/core/network.ts'
import type { Clock } from '../../../protocol/core/ports.ts'
import type { Log } from '../../../protocol/host/log.ts'
import { systemDial } from '../egress/dial.ts'
import { systemNames } from '../egress/names.ts'
import type { Engine } from '../engine.ts'
import { Firewall } from './firewall.ts'
import { systemHostNetwork } from './host-network.ts'
import { JobNetworks } from './job-networks.ts'
import { nftTable } from './nft.ts'
import type { RuleTable } from './rule-table.ts'

export interface NetworkSettings {
  /** Whether this agent may set rules of its host, and by what. */
  readonly rules: 'off' | 'nft'
  readonly offer: readonly OfferedNetwork[]
  readonly subnets: string
  readonly dns: readonly string[]
}

export interface OpenNetworksParts {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  readonly peerId: string
  /** Of this process's own network namespace where absent. */
  readonly table?: RuleTable | undefined
}

/**
 * Sets the host's rules before any container is made, or says what keeps it from that as `lost`.
 * Undefined where the owner wants none; never rejects.
 */
export async function openNetworks(
  { engine, clock, log, peerId, table = nftTable() }: OpenNetworksParts,
  settings: NetworkSettings
): Promise<JobNetworks | undefined> {
  if (settings.rules === 'off') return undefined
  const host = systemHostNetwork()
  const firewall = new Firewall({ table, host, clock, log })
  const { offer, subnets, dns } = settings
  const ownAddresses = (): ReadonlySet<string> => host.addresses()
  const egress = { names: systemNames(dns), ownAddresses, dial: systemDial }
  const networks = new JobNetworks(
    { engine, firewall, host, egress, clock, log },
    { offer, subnets, nameServers: dns }
  )
  await networks.prove(peerId)
  return networks
}
