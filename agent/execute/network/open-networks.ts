import type { NetworkRules, OfferedNetwork } from '../../../protocol/core/network.ts'
import type { Clock } from '../../../protocol/core/ports.ts'
import type { Log } from '../../../protocol/host/log.ts'
import { systemDial } from '../egress/dial.ts'
import { systemNames } from '../egress/names.ts'
import type { Engine } from '../engine.ts'
import { type Denied, deniedRanges } from './denied.ts'
import { Firewall } from './firewall.ts'
import { HolderGate } from './holder-gate.ts'
import { systemHostNetwork } from './host-network.ts'
import { iptablesTable } from './iptables.ts'
import type { JobNetwork } from './job-network.ts'
import { JobNetworks, type Way } from './job-networks.ts'
import { nftTable } from './nft.ts'
import { layNftKit } from './nft-kit.ts'
import type { RuleTable } from './rule-table.ts'
import { RulesGate } from './rules-gate.ts'

export interface NetworkSettings {
  /** Whether this agent may set rules of its host, and by what; `auto` for the first that works. */
  readonly rules: 'off' | 'auto' | NetworkRules
  readonly offer: readonly OfferedNetwork[]
  readonly subnets: string
  readonly dns: readonly string[]
  /** Blocks that no job reaches, whatever its policy; none where absent. */
  readonly deny?: Denied
}

export interface OpenNetworksParts {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  readonly peerId: string
  /** Folder that containers may mount from, for what holders set their rules by. */
  readonly kits: string
  /** See JobNetworksParts. */
  readonly tryOut: (network: JobNetwork) => Promise<void>
  /** In place of that of this process's own network namespace. */
  readonly table?: RuleTable | undefined
}

/** One table in one transaction comes before chains that others push down. */
const ORDER: readonly NetworkRules[] = ['nft', 'iptables', 'holder']

const EVERYTHING = ['internet', 'private', 'open'] as const
/** Its rules name the host's addresses: those that come later are not public, or the owner's. */
const PUBLIC = ['internet'] as const

/**
 * Sets the host's rules before any container is made, or says what keeps it from that as `lost`.
 * Undefined where the owner wants none; never rejects.
 */
export async function openNetworks(
  { engine, clock, log, peerId, tryOut, kits, table }: OpenNetworksParts,
  settings: NetworkSettings
): Promise<JobNetworks | undefined> {
  if (settings.rules === 'off') return undefined
  const host = systemHostNetwork()
  const { offer, subnets, dns, deny = [] } = settings
  const wayOf = (rules: NetworkRules): Way => {
    if (rules === 'holder') {
      const kit = () => layNftKit(kits)
      return {
        rules,
        keeps: PUBLIC,
        gate: new HolderGate({ engine, host, peerId, kit, denied: deny })
      }
    }
    const own = rules === 'nft' ? nftTable() : iptablesTable()
    const firewall = new Firewall({ table: table ?? own, host, clock, log })
    return { rules, keeps: EVERYTHING, gate: new RulesGate(firewall, deny) }
  }
  const ways = (settings.rules === 'auto' ? ORDER : [settings.rules]).map(wayOf)
  const ownAddresses = (): ReadonlySet<string> => host.addresses()
  const denied = deniedRanges(deny)
  const egress = { names: systemNames(dns), ownAddresses, denied, dial: systemDial }
  const networks = new JobNetworks(
    { engine, ways, host, tryOut, egress, clock, log },
    { offer, subnets, nameServers: dns }
  )
  await networks.prove(peerId)
  return networks
}
