import { MeshError } from '../../../protocol/core/errors.ts'
import { GPU_WHOLE } from '../../../protocol/core/gpu-request-limits.ts'
import type { GpuHold } from '../../../protocol/core/gpu-terms.ts'
import type { GpuDevice } from '../../probe/gpu/gpu-device.ts'
import type { Engine } from '../engine.ts'
import type { ContainerBody, OwnedContainer } from '../engine-types.ts'
import { heldByLabel } from './gpu-label.ts'

/*
 * Agents of one engine know nothing of each other's ledgers: what each has given away stands on the
 * containers, where all of them can read it.
 */

/**
 * Throws GPU_TAKEN where another container of the engine has what this one, made and not started,
 * is to get. Of two that are made at once the earlier one stays: each is made before it looks.
 */
export async function mustBeAlone(
  engine: Pick<Engine, 'containers'>,
  job: string,
  { Labels }: Pick<ContainerBody, 'Labels'>,
  id: string
): Promise<void> {
  const wanted = heldByLabel(Labels)
  if (wanted.length === 0) return
  const all = await engine.containers({})
  const own = all.find((each) => each.id === id)
  if (own === undefined) return
  const others = all.filter((each) => each.running || isBefore(each, own))
  for (const hold of wanted) {
    const container = takerOf(hold, others)
    if (container === undefined) continue
    throw new MeshError('GPU_TAKEN', { job, gpu: hold.id, container: container.name })
  }
}

/** The container of another agent that has this GPU now; undefined where jobs here can have it. */
export function takenElsewhere(
  { id, parent }: Pick<GpuDevice, 'id' | 'parent'>,
  containers: readonly OwnedContainer[],
  peerId: string
): string | undefined {
  const others = containers.filter(({ running, labels }) => {
    return running && labels['runner-mesh.peer'] !== peerId
  })
  return takerOf({ id, units: 1, parent }, others)?.name
}

/** The engine counts in seconds: of those of one second the id decides, for both alike. */
function isBefore(one: OwnedContainer, own: OwnedContainer): boolean {
  if (one.created !== true) return false
  return (
    (one.madeAtS ?? 0) - (own.madeAtS ?? 0) < 0 || (one.madeAtS === own.madeAtS && one.id < own.id)
  )
}

function takerOf(
  { id, units, parent }: GpuHold,
  others: readonly OwnedContainer[]
): OwnedContainer | undefined {
  let left = GPU_WHOLE - units
  return others.find(({ labels }) => {
    return heldByLabel(labels).some((held) => {
      if (held.id === parent || held.parent === id) return true
      if (held.id === id) left -= held.units
      return left < 0
    })
  })
}
