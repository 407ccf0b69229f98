import type { JobVoice } from '../egress/journal.ts'
import { type Gate, onNetwork } from './gate.ts'
import { systemHostNetwork } from './host-network.ts'
import { JobNetwork, type NetworkEngine } from './job-network.ts'

export interface ClosedNetworkRequest {
  readonly jobId: string
  readonly claimId: string
  readonly name: string
  readonly voice: JobVoice
}

const nothing = (): Promise<void> => Promise.resolve()

/** Where there is no way out, nothing has to stand. */
const NO_GATE: Pick<Gate, 'open' | 'adopt' | 'prove' | 'leave' | 'close'> = {
  open: (network, body) => Promise.resolve(onNetwork(body, network)),
  adopt: (network, body) => Promise.resolve(onNetwork(body, network)),
  prove: nothing,
  leave: nothing,
  close: nothing
}

/**
 * The network of a job with services and policy `none`: a bridge that leads nowhere, on any host,
 * whether its owner lets the agent set rules or not. `pool` is the block that its subnet is of.
 */
export function closedNetwork(
  engine: NetworkEngine,
  { voice: _silent, ...request }: ClosedNetworkRequest,
  labels: Readonly<Record<string, string>>,
  pool: string
): JobNetwork {
  const onLost = (): void => undefined
  const own = { policy: 'none', labels, pool, nameServers: [], onLost } as const
  return new JobNetwork(
    { engine, gate: NO_GATE, host: systemHostNetwork() },
    { ...request, ...own }
  )
}
