import { join } from 'node:path'
import { silentLog } from '../../protocol/host/log.ts'
import type { Engine } from '../execute/engine.ts'
import { JobGroups } from '../execute/group/job-groups.ts'
import { HOLDER_IMAGE_LABEL } from '../execute/network/holder-gate.ts'
import { peerSuffix } from '../execute/peer-suffix.ts'
import { reap, reapTrials } from '../execute/reaping.ts'
import { clearRoom, type LeftRoom, leftRooms } from './exec-room.ts'

/** Milliseconds that the removal of one thing is tried. */
const LIMIT_MS = 10_000

/** Removes what a killed `agent exec` of this user has left; `say` is told what it could not. */
export async function clearLeft(engine: Engine, say: (text: string) => void): Promise<void> {
  for (const room of await leftRooms()) {
    const problem = await clearRoom(room, () => clear(engine, room))
    if (problem !== undefined) say(problem)
  }
}

async function clear(engine: Engine, { dir, owner }: LeftRoom): Promise<void> {
  const groups = new JobGroups({ log: silentLog(), suffix: peerSuffix(owner) })
  await groups.learn(await engine.info())
  const folders = { workspaces: join(dir, 'workspaces'), leases: join(dir, 'leases') }
  const owned = () => Promise.resolve(new Set<string>())
  const limits = { owned, limitMs: LIMIT_MS, disks: undefined }
  await reap({ engine, groups, peerId: owner, ...folders, ...limits })
  await reapTrials(engine, owner)
  for (const id of await engine.images({ [HOLDER_IMAGE_LABEL]: owner })) {
    await engine.removeImage(id)
  }
}
