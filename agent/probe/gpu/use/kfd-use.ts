import { GPU_HOST_PROCESSES_MAX } from '../../../../protocol/core/gpu-use-limits.ts'
import type { GpuDevice } from '../gpu-device.ts'
import type { HostTree } from '../host-tree.ts'
import type { ProcessUse } from './gpu-use.ts'

const KFD = 'sys/class/kfd/kfd'

/**
 * What processes have of AMD's GPUs by the compute driver, by the GPU's id. Its work is in no count
 * of the graphics', so that of the time nothing is said.
 */
export async function kfdUse(
  tree: HostTree,
  gpus: readonly GpuDevice[]
): Promise<ReadonlyMap<string, readonly ProcessUse[]>> {
  const uses = new Map<string, ProcessUse[]>()
  const ids = await idsOf(tree, gpus)
  if (ids.size === 0) return uses
  for (const pid of await tree.numbers(`${KFD}/proc`, GPU_HOST_PROCESSES_MAX)) {
    for (const [number, id] of ids) {
      const memoryBytes = await tree.number(`${KFD}/proc/${pid}/vram_${number}`)
      if (memoryBytes === undefined) continue
      const use = { pid, busyPercent: undefined, memoryBytes }
      uses.set(id, [...(uses.get(id) ?? []), use])
    }
  }
  return uses
}

/** Ids of GPUs by the number that the compute driver has for each: its render node tells. */
async function idsOf(
  tree: HostTree,
  gpus: readonly GpuDevice[]
): Promise<ReadonlyMap<string, string>> {
  const ids = new Map<string, string>()
  for (const name of await tree.names(`${KFD}/topology/nodes`)) {
    const dir = `${KFD}/topology/nodes/${name}`
    const number = (await tree.text(`${dir}/gpu_id`)) ?? ''
    const properties = (await tree.text(`${dir}/properties`)) ?? ''
    const minor = /^drm_render_minor (\d{1,4})$/m.exec(properties)?.[1]
    if (!/^[1-9]\d{0,9}$/.test(number) || minor === undefined) continue
    const gpu = gpus.find(({ nodes }) => nodes.includes(`/dev/dri/renderD${minor}`))
    if (gpu !== undefined) ids.set(number, gpu.id)
  }
  return ids
}
