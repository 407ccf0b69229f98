import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Engine } from '../../agent/execute/engine.ts'
import { reapTrials } from '../../agent/execute/reaping.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { loadKey } from '../../protocol/mesh/members/identity.ts'

/**
 * Clears away what the agents whose state folders are in `folder` had on trial when they were
 * killed: each would do so at its next start, which does not come.
 */
export async function reapTrialsIn(folder: string): Promise<void> {
  const engine = Engine.local(undefined)
  const entries = await readdir(folder, { withFileTypes: true })
  for (const { name } of entries.filter((each) => each.isDirectory())) {
    const paths = statePaths('agent', { state: join(folder, name) }, {})
    const key = await loadKey(paths.key).catch(() => undefined)
    if (key !== undefined) await reapTrials(engine, key.peerId)
  }
}
