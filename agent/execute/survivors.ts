import { join } from 'node:path'
import type { GpuHold } from '../../protocol/core/gpu-terms.ts'
import type { FoundContainer } from '../../protocol/core/recovery.ts'
import { leaseName, readDeadline } from './deadline-file.ts'
import type { Engine } from './engine.ts'
import { SERVICE_LABEL } from './engine-events.ts'
import { heldByLabel } from './gpu/gpu-label.ts'
import { HOLDER } from './profile-holder.ts'
import { PROFILE_LABEL } from './sandbox-profile.ts'

/** A container of a job that an agent before this one made. */
export interface Survivor extends FoundContainer {
  readonly jobId: string
  /** What it holds of GPUs, by its label; absent is nothing. */
  readonly gpus?: readonly GpuHold[] | undefined
}

/** Those of this agent, whatever state they are in; `leases` has the folders of their deadlines. */
export async function survivorsOf(
  engine: Pick<Engine, 'containers'>,
  peerId: string,
  leases: string
): Promise<readonly Survivor[]> {
  const found = await engine.containers({ 'runner-mesh.peer': peerId })
  // Others of the same claim end with it: services, and what holds a network.
  const boxes = found.filter(
    ({ labels }) => labels[PROFILE_LABEL] !== HOLDER && !labels[SERVICE_LABEL]
  )
  return await Promise.all(
    boxes.map(async ({ labels, running, created }) => {
      const jobId = labels['runner-mesh.job'] ?? ''
      const claimId = labels['runner-mesh.claim'] ?? ''
      const epoch = Number(labels['runner-mesh.epoch'])
      const deadlineMs = await readDeadline(join(leases, leaseName(jobId, claimId)))
      const state = running ? 'running' : created === true ? 'created' : 'exited'
      return { jobId, claimId, epoch, state, deadlineMs, gpus: heldByLabel(labels) }
    })
  )
}
