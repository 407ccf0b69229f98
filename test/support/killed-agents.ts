import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Engine } from '../../agent/execute/engine.ts'
import { reapTrials } from '../../agent/execute/reaping.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { loadKey } from '../../protocol/mesh/members/identity.ts'

/** Removes what killed agents would clear away at their next start, which does not come. */
export async function clearAfter(engine: Engine, peerIds: readonly string[]): Promise<void> {
  for (const peerId of peerIds) {
    await reapTrials(engine, peerId)
    const volumes = await engine.volumes({ 'runner-mesh.peer': peerId })
    // One that a container has is none of a killed agent: no reason for a test to fail.
    for (const { name } of volumes) await engine.removeVolume(name).catch(() => false)
  }
}

/** The same of the agents whose state folders are in `folder`, on the engine of this host. */
export async function clearAfterAgentsIn(folder: string): Promise<void> {
  const peerIds: string[] = []
  const entries = await readdir(folder, { withFileTypes: true })
  for (const { name } of entries.filter((each) => each.isDirectory())) {
    const paths = statePaths('agent', { state: join(folder, name) }, {})
    const key = await loadKey(paths.key).catch(() => undefined)
    if (key !== undefined) peerIds.push(key.peerId)
  }
  await clearAfter(Engine.local(undefined), peerIds)
}
