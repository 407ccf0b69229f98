import { MeshError } from '../../protocol/core/errors.ts'
import { chooseGpus } from '../../protocol/core/gpu-allocation.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { leasedGpus } from '../claim/gpu-leases.ts'
import type { AgentSettings } from '../config.ts'
import type { Engine } from '../execute/engine.ts'
import { heldByLabel } from '../execute/gpu/gpu-label.ts'
import type { JobGpus } from '../execute/gpu/job-gpus.ts'
import type { LeasedGpu } from '../execute/gpu/leased-gpu.ts'
import { orAbort } from '../execute/or-abort.ts'
import { agentGpus, type GpuPlace } from '../gpu-parts.ts'
import { gpuTermsOf } from '../policy/gpu-settings.ts'

export interface ExecGpusParts {
  readonly engine: Engine
  readonly clock: Clock
  readonly settings: Pick<AgentSettings, 'gpus'>
  /** In the labels of what is made for the job. */
  readonly owner: string
  /** In place of the GPUs that this machine has. */
  readonly place?: GpuPlace | undefined
}

/** What a job of `agent exec` has of this host's GPUs, and how its container gets them. */
export interface ExecGpus {
  readonly jobGpus: JobGpus
  readonly leased: readonly LeasedGpu[]
}

/**
 * GPUs as the job wants them, read once, of those that no container of this engine has: agents see
 * by its label what this one gets. Undefined for a job without. Throws EXEC_HOST_LACKING.
 */
export async function execGpus(
  { engine, clock, settings, owner, place }: ExecGpusParts,
  { name: job, gpu: request }: Pick<JobSpec, 'name' | 'gpu'>,
  signal: AbortSignal
): Promise<ExecGpus | undefined> {
  if (request === undefined) return undefined
  const watch = { settings: settings.gpus }
  const { gpus, jobGpus } = agentGpus({
    engine,
    peerId: owner,
    clock,
    log: silentLog(),
    watch,
    place
  })
  try {
    await orAbort(gpus.once(), signal)
    const containers = await engine.containers({})
    const gpusHeld = containers
      .filter(({ running }) => running)
      .flatMap(({ labels }) => heldByLabel(labels))
    const room = { gpus: gpus.gpus, gpuTerms: gpuTermsOf(settings.gpus), gpusHeld }
    const choice = chooseGpus({ request, trust: 'trusted' }, room)
    if (choice.kind === 'unmet') {
      const { requirement, wanted, offered } = choice.unmet
      const lacking = `its ${requirement} is ${offered}, and ${wanted} is wanted`
      throw new MeshError('EXEC_HOST_LACKING', { job, lacking })
    }
    return { jobGpus, leased: leasedGpus(choice.holds, gpus.devices) ?? [] }
  } finally {
    gpus.stop()
  }
}
