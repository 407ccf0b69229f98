import type { Engine } from '../engine.ts'
import { systemHostNetwork } from './host-network.ts'
import { JobNetwork } from './job-network.ts'
import type { JobNetworks, NetworkRequest } from './job-networks.ts'

export interface ClosedNetworkParts {
  readonly engine: Engine
  /** Absent where this host enforces no networks. */
  readonly networks?: JobNetworks | undefined
}

/**
 * The network of a job with services and policy `none`: a bridge that leads nowhere, on any host,
 * whether its owner lets the agent set rules or not. `pool` is the block that its subnet is of.
 */
export function closedNetwork(
  { engine, networks }: ClosedNetworkParts,
  request: Omit<NetworkRequest, 'onLost'>,
  labels: Readonly<Record<string, string>>,
  pool: string
): JobNetwork {
  if (networks !== undefined && networks.lost === undefined) return networks.closed(request, labels)
  const parts = { engine, host: systemHostNetwork() }
  const onLost = (): void => undefined
  return new JobNetwork(parts, {
    ...request,
    policy: 'none',
    labels,
    pool,
    nameServers: [],
    onLost
  })
}
