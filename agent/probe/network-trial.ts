import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { Readable } from 'node:stream'
import type { Engine } from '../execute/engine.ts'
import type { ContainerExec } from '../execute/engine-types.ts'
import { BUSYBOX_INSIDE } from '../execute/guard.ts'
import { runHelper } from '../execute/helper-process.ts'
import { nativePlatform } from '../execute/native-platform.ts'
import type { RunInside } from '../execute/network/gate.ts'
import type { JobNetwork } from '../execute/network/job-network.ts'
import { TRIAL_LABEL } from '../execute/reaping.ts'
import { EMPTY_ROOT, type TrialParts, trialBody, trialName } from './trial.ts'

/** Exit codes of the container's program. */
const [NO_ROUTE, REACHED] = [3, 4] as const
/** As a stranger's job is: without any right. */
const NOBODY = '10001:10001'
/** Milliseconds of one command; that a port does not answer shows after one second. */
const KNOCK_MS_MAX = 10_000
/** Longer than all of it. */
const WAIT = `exec ${BUSYBOX_INSIDE} sleep 60`

/**
 * Opens a network as jobs get them, and starts a container on it that knocks at this host. Throws
 * where it gets in, and where it could not have: rules that are listed may still be none that
 * anybody asks.
 */
export async function tryNetwork(
  parts: TrialParts,
  network: Pick<JobNetwork, 'open' | 'prove' | 'gateway'>
): Promise<void> {
  const { engine, peerId } = parts
  const image = await engine.importRoot(Readable.from([EMPTY_ROOT]), { [TRIAL_LABEL]: peerId })
  let id: string | undefined
  try {
    const body = await network.open(await trialBody(parts, image, WAIT))
    const platform = nativePlatform(await engine.info())
    id = await engine.create(trialName('network', peerId), platform, body)
    await engine.start(id)
    const run = insideOf(engine, id)
    await network.prove(run)
    await knock(run, network.gateway)
  } finally {
    if (id !== undefined) await engine.remove(id)
    await engine.removeImage(image)
  }
}

async function knock(run: RunInside, gateway: string): Promise<void> {
  const door = createServer((socket) => socket.on('error', () => undefined).end())
  door.listen(0, gateway)
  try {
    await once(door, 'listening')
    const script = knockAt(gateway, (door.address() as AddressInfo).port)
    const { code, said } = await run([BUSYBOX_INSIDE, 'sh', '-c', script])
    if (code === REACHED) throw new Error('a container reached this host in spite of the rules')
    if (code !== 0) throw new Error(`a container got no route: ${said.trim() || `exit ${code}`}`)
  } finally {
    door.close()
  }
}

function insideOf(engine: Engine, container: string): RunInside {
  return async (command) => {
    const signal = AbortSignal.timeout(KNOCK_MS_MAX)
    const call = { command, user: NOBODY, signal }
    const exec = (request: ContainerExec) => engine.exec({ ...request, container })
    const { end, said } = await runHelper(exec, call)
    return { code: end.kind === 'exited' ? end.code : undefined, said }
  }
}

function knockAt(address: string, port: number): string {
  return [
    // Without a way to the host nothing is shown by not getting there.
    `${BUSYBOX_INSIDE} grep -q '^eth0.00000000' /proc/net/route || exit ${NO_ROUTE}`,
    `${BUSYBOX_INSIDE} nc -w 1 ${address} ${port} </dev/null >/dev/null 2>&1 && exit ${REACHED}`,
    'exit 0'
  ].join('\n')
}
