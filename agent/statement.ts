import type { Capacity } from '../protocol/core/advertisement.ts'
import { freeOf, gpusHeldOf, type Ledger, NO_ROOM } from '../protocol/core/capacity.ts'
import { IMAGES_LACKING_MAX } from '../protocol/core/image-limits.ts'
import { VERSION } from '../protocol/host/version.ts'
import type { Statement } from './advertiser.ts'
import { type AgentParts, offerOf } from './agent-parts.ts'
import { diskLimitOf } from './execute/disk/disk-control.ts'
import { gpuLookOf } from './gpu-look.ts'

/** What changes from one advertisement to the next. */
export interface StatementNow {
  /** Nonce of this process. */
  readonly boot: string
  readonly state: Statement['state']
  readonly ledger: Ledger
  readonly heldJobs: readonly string[]
  readonly warm: readonly string[]
  /** False while nothing can be claimed here: no lifeline, say, or no disk. */
  readonly hasRoom: boolean
}

export type StatementParts = Pick<
  AgentParts,
  'settings' | 'host' | 'key' | 'door' | 'networks' | 'gpus' | 'sampler' | 'looks'
>

/** What the agent is and has free, now. */
export async function statementOf(parts: StatementParts, now: StatementNow): Promise<Statement> {
  const { settings, host, key, door, networks } = parts
  return {
    peerId: key.peerId,
    name: settings.name,
    boot: now.boot,
    state: now.state,
    version: VERSION,
    ...offerOf(parts),
    // Others need those of jobs that wait now: the latest.
    imagesLacking: parts.looks.lacking.slice(-IMAGES_LACKING_MAX),
    networkRules: networks?.rules,
    diskLimit: diskLimitOf(host.disk()),
    gpusHeld: gpusHeldOf(now.ledger),
    gpuLook: gpuLookOf(parts.sampler, new Set(parts.gpus.gpus.map(({ id }) => id)), now.heldJobs),
    warm: now.warm,
    costPercent: Math.round(settings.cost * 100),
    closing: door.closing,
    // Room that cannot be claimed is none: others must not wait for this agent to go first.
    free: now.hasRoom && door.closing === undefined ? told(freeOf(now.ledger)) : NO_ROOM,
    capacity: told(host.capacity),
    diskFreeBytes: await host.diskFreeBytes(),
    engine: host.engine.version,
    jobs: now.heldJobs
  }
}

/** Others count no processes: slots say to them whether there are some. */
function told({ pids: _pids, ...capacity }: Capacity): Capacity {
  return capacity
}
