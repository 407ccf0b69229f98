import { vendorOf } from '../../../protocol/core/gpu.ts'
import { GPU_WHOLE } from '../../../protocol/core/gpu-request-limits.ts'
import type { GpuHold } from '../../../protocol/core/gpu-terms.ts'
import type { LeasedGpu } from './leased-gpu.ts'

/** On a job's container: an agent that starts again learns from it what is held. */
export const GPU_LABEL = 'runner-mesh.gpu'

/** No id of a GPU has one of these. */
const BETWEEN = ','
const PART = '='

/** `nvidia:GPU-1,nvidia:GPU-2=180180`, a share in units of GPU_WHOLE; none without a GPU. */
export function gpuLabels(gpus: readonly LeasedGpu[] = []): Readonly<Record<string, string>> {
  if (gpus.length === 0) return {}
  const entries = gpus.map(({ device: { id }, share }) => {
    return share === undefined ? id : `${id}${PART}${Math.round(share * GPU_WHOLE)}`
  })
  return { [GPU_LABEL]: entries.join(BETWEEN) }
}

/** What a container's label says that it holds; what cannot be read is all of that GPU. */
export function heldByLabel(labels: Readonly<Record<string, string>>): readonly GpuHold[] {
  const text = labels[GPU_LABEL] ?? ''
  return text.split(BETWEEN).flatMap((entry): GpuHold[] => {
    const [id = '', part] = entry.split(PART)
    if (vendorOf(id) === undefined) return []
    const units = /^[1-9]\d{0,5}$/.test(part ?? '') ? Number(part) : GPU_WHOLE
    return [{ id, units: Math.min(units, GPU_WHOLE) }]
  })
}
