import { vendorOf } from '../../../protocol/core/gpu.ts'
import { GPU_WHOLE } from '../../../protocol/core/gpu-request-limits.ts'
import type { GpuHold } from '../../../protocol/core/gpu-terms.ts'
import type { LeasedGpu } from './leased-gpu.ts'

/** On a job's container: an agent that starts again learns from it what is held. */
export const GPU_LABEL = 'runner-mesh.gpu'

/** Beside it: what each is a part of. Of its own, since an agent of before reads the other one. */
export const GPU_PARENT_LABEL = 'runner-mesh.gpu-parent'

/** No id of a GPU has one of these. */
const BETWEEN = ','
const PART = '='

/**
 * `nvidia:GPU-1,nvidia:GPU-2=180180`, a share in units of GPU_WHOLE; none without a GPU. Of parts
 * also `nvidia:MIG-1=nvidia:GPU-1`.
 */
export function gpuLabels(gpus: readonly LeasedGpu[] = []): Readonly<Record<string, string>> {
  if (gpus.length === 0) return {}
  const entries = gpus.map(({ device: { id }, share }) => {
    return share === undefined ? id : `${id}${PART}${Math.round(share * GPU_WHOLE)}`
  })
  const parts = gpus.flatMap(({ device: { id, parent } }) => {
    return parent === undefined ? [] : [`${id}${PART}${parent}`]
  })
  const held = { [GPU_LABEL]: entries.join(BETWEEN) }
  return parts.length === 0 ? held : { ...held, [GPU_PARENT_LABEL]: parts.join(BETWEEN) }
}

/** What a container's label says that it holds; what cannot be read is all of that GPU. */
export function heldByLabel(labels: Readonly<Record<string, string>>): readonly GpuHold[] {
  const parents = parentsIn(labels[GPU_PARENT_LABEL] ?? '')
  const text = labels[GPU_LABEL] ?? ''
  return text.split(BETWEEN).flatMap((entry): GpuHold[] => {
    const [id = '', part] = entry.split(PART)
    if (vendorOf(id) === undefined) return []
    const number = /^[1-9]\d{0,5}$/.test(part ?? '') ? Number(part) : GPU_WHOLE
    const parent = parents.get(id)
    const units = Math.min(number, GPU_WHOLE)
    return [parent === undefined ? { id, units } : { id, units, parent }]
  })
}

function parentsIn(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split(BETWEEN).flatMap((entry): [string, string][] => {
      const [id = '', parent = ''] = entry.split(PART)
      return vendorOf(parent) === undefined || parent === id ? [] : [[id, parent]]
    })
  )
}
