import { gpusHeldOf, type Ledger } from '../../protocol/core/capacity.ts'
import { chooseGpus } from '../../protocol/core/gpu-allocation.ts'
import { GPU_WHOLE } from '../../protocol/core/gpu-request-limits.ts'
import type { GpuHold } from '../../protocol/core/gpu-terms.ts'
import type { Offer } from '../../protocol/core/requirements.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import type { Trust } from '../../protocol/core/trust.ts'
import type { LeasedGpu } from '../execute/gpu/leased-gpu.ts'
import type { GpuDevice } from '../probe/gpu/gpu-device.ts'

/** A job, by what its gateway has signed. */
interface Asking {
  readonly spec: JobSpec
  readonly trust: Trust
}

/** GPUs for a job that is about to be claimed; undefined where it cannot have them now. */
export function gpusFor(
  { spec: { gpu: request }, trust }: Asking,
  { gpus, gpuTerms }: Offer,
  ledger: Ledger
): readonly GpuHold[] | undefined {
  if (request === undefined) return []
  const room = { gpus, gpuTerms, gpusHeld: gpusHeldOf(ledger) }
  const choice = chooseGpus({ request, trust }, room)
  return choice.kind === 'chosen' ? choice.holds : undefined
}

/** What is held, with the devices that it is; undefined where this host has one of them not. */
export function leasedGpus(
  holds: readonly GpuHold[],
  devices: readonly GpuDevice[]
): readonly LeasedGpu[] | undefined {
  const leased = holds.flatMap(({ id, units }): LeasedGpu[] => {
    const device = devices.find((each) => each.id === id)
    if (device === undefined || device.health === 'lost') return []
    return [units === GPU_WHOLE ? { device } : { device, share: units / GPU_WHOLE }]
  })
  return leased.length === holds.length ? leased : undefined
}

/** What a container's label does not say: the GPU that each is a part of. */
export function withParents(
  holds: readonly GpuHold[],
  devices: readonly GpuDevice[]
): readonly GpuHold[] {
  return holds.map((hold) => {
    const parent = devices.find(({ id }) => id === hold.id)?.parent
    return parent === undefined ? hold : { ...hold, parent }
  })
}
