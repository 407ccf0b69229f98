import { MeshError } from '../../protocol/core/errors.ts'
import type { Engine } from './engine.ts'
import type { ContainerBody } from './engine-types.ts'

type Containers = Pick<Engine, 'inspect' | 'remove'>

/**
 * Left by an earlier attempt of ours; its source volume has another name and is reaped. Throws
 * SANDBOX_FAILED for somebody else's, which is left alone.
 */
export async function removeNamesake(
  engine: Containers,
  job: string,
  name: string,
  body: ContainerBody
): Promise<void> {
  const other = await engine.inspect(name)
  if (other === undefined) return
  if (other.labels['runner-mesh.peer'] !== body.Labels['runner-mesh.peer']) {
    const cause = `container ${name} is somebody else's: remove it`
    throw new MeshError('SANDBOX_FAILED', { job, action: 'be created', cause })
  }
  await engine.remove(other.id)
}

/** Where the answer to create never came; a namesake with another claim is left alone. */
export async function removeByClaim(
  engine: Containers,
  name: string,
  body: ContainerBody
): Promise<void> {
  const found = await engine.inspect(name)
  const claim = body.Labels['runner-mesh.claim']
  if (found?.labels['runner-mesh.claim'] === claim) await engine.remove(found?.id ?? '')
}
