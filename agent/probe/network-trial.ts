import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { Readable } from 'node:stream'
import { BUSYBOX_INSIDE } from '../execute/guard.ts'
import { nativePlatform } from '../execute/native-platform.ts'
import type { JobNetwork } from '../execute/network/job-network.ts'
import { TRIAL_LABEL } from '../execute/reaping.ts'
import { EMPTY_ROOT, exitCode, type TrialParts, trialBody, trialName } from './trial.ts'

/** Exit codes of the container's program. */
const [NO_ROUTE, REACHED] = [3, 4] as const

/**
 * Starts a container on a network as jobs get them, which knocks at this host. Throws where it gets
 * in, and where it could not have: rules that are listed may still be none that anybody asks.
 */
export async function tryNetwork(
  parts: TrialParts,
  network: Pick<JobNetwork, 'name' | 'gateway'>
): Promise<void> {
  const { engine, peerId } = parts
  const door = await listenAt(network.gateway)
  let id: string | undefined
  let image: string | undefined
  try {
    image = await engine.importRoot(Readable.from([EMPTY_ROOT]), { [TRIAL_LABEL]: peerId })
    const body = await trialBody(parts, image, knockAt(network.gateway, portOf(door)))
    const HostConfig = { ...body.HostConfig, NetworkMode: network.name }
    const platform = nativePlatform(await engine.info())
    id = await engine.create(trialName('network', peerId), platform, { ...body, HostConfig })
    await engine.start(id)
    const code = await exitCode(engine, id)
    if (code === REACHED) throw new Error('a container reached this host in spite of the rules')
    if (code !== 0) throw new Error(`a container got no route from the engine (exit ${code})`)
  } finally {
    door.close()
    if (id !== undefined) await engine.remove(id)
    if (image !== undefined) await engine.removeImage(image)
  }
}

async function listenAt(address: string): Promise<Server> {
  const door = createServer((socket) => socket.on('error', () => undefined).end())
  door.listen(0, address)
  await once(door, 'listening')
  return door
}

function portOf(door: Server): number {
  const address = door.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function knockAt(address: string, port: number): string {
  return [
    // Without a way to the host nothing is shown by not getting there.
    `${BUSYBOX_INSIDE} grep -q '^eth0.00000000' /proc/net/route || exit ${NO_ROUTE}`,
    `${BUSYBOX_INSIDE} nc -w 1 ${address} ${port} </dev/null >/dev/null 2>&1 && exit ${REACHED}`,
    'exit 0'
  ].join('\n')
}
