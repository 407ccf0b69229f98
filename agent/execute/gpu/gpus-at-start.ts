import { MeshError } from '../../../protocol/core/errors.ts'
import type { GpuDevice } from '../../probe/gpu/gpu-device.ts'
import type { LeasedGpu } from './leased-gpu.ts'

/**
 * The GPUs of a lease as they are right before its container is made: between the claim and that an
 * image was pulled, and one may have fallen off its bus. Throws GPU_LOST.
 */
export function gpusAtStart(
  job: string,
  leased: readonly LeasedGpu[] | undefined,
  devices: readonly GpuDevice[]
): readonly LeasedGpu[] | undefined {
  return leased?.map((each) => {
    const { id: gpu } = each.device
    const device = devices.find(({ id }) => id === gpu)
    if (device?.health === 'ok') return { ...each, device }
    const { health = 'lost', reasons = [] } = device ?? {}
    const [reason = 'this host does not list it any more'] = reasons
    throw new MeshError('GPU_LOST', { job, gpu, health, reason })
  })
}

/**
 * The same, once more and right before the container: what it is to get was made for `leased`, and a
 * number that a node had may be another GPU's by now. Throws GPU_LOST.
 */
export function sameGpus(
  job: string,
  leased: readonly LeasedGpu[] | undefined,
  devices: readonly GpuDevice[]
): readonly LeasedGpu[] | undefined {
  const now = gpusAtStart(job, leased, devices)
  for (const [index, { device }] of (leased ?? []).entries()) {
    const [before, after] = [device.nodes.join(' '), now?.[index]?.device.nodes.join(' ')]
    if (before === after) continue
    const reason = `its nodes were ${before} a moment ago and are ${after} now`
    throw new MeshError('GPU_LOST', { job, gpu: device.id, health: 'ok', reason })
  }
  return now
}
