import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PROCESS_END_MS_MAX } from '../protocol/core/limits.ts'
import { RUNTIME_CALL_MS_MAX } from '../protocol/core/runtime-limits.ts'
import { systemClock } from '../protocol/host/clock.ts'
import { DiskWatch } from '../protocol/host/disk-watch.ts'
import { makeStateFolder } from '../protocol/host/durable-file.ts'
import { Failure } from '../protocol/host/failure.ts'
import { createLog } from '../protocol/host/log.ts'
import { checkSocketPath, type StatePaths } from '../protocol/host/paths.ts'
import { removePid, writePid } from '../protocol/host/pid-lock.ts'
import { endProcessWithin } from '../protocol/host/process-end.ts'
import { SignalOrders } from '../protocol/host/signal-orders.ts'
import { InviteBook } from '../protocol/mesh/joining/invite-book.ts'
import { loadKey, openDaemonStore, readAuthority } from '../protocol/mesh/members/identity.ts'
import { RosterBook } from '../protocol/mesh/members/roster-book.ts'
import { Agent } from './agent.ts'
import type { AgentSettings } from './config.ts'
import { Disks, type DisksOptions, type DisksParts } from './execute/disk/disks.ts'
import { Engine } from './execute/engine.ts'
import { GROUND_DIR } from './execute/ground.ts'
import type { JobNetwork } from './execute/network/job-network.ts'
import type { JobNetworks } from './execute/network/job-networks.ts'
import { openNetworks } from './execute/network/open-networks.ts'
import { peerSuffix } from './execute/peer-suffix.ts'
import { agentGpus, type GpuPlace } from './gpu-parts.ts'
import { openImages } from './image-parts.ts'
import { openDoor } from './policy/open-door.ts'
import { tryBuilder } from './probe/builder-trial.ts'
import { tryDisk } from './probe/disk-trial.ts'
import type { HostProfile } from './probe/host-profile.ts'
import { tryNetwork } from './probe/network-trial.ts'
import { probeHost } from './probe/probe.ts'
import { provenPlatforms } from './probe/proven-platforms.ts'
import { tryRuntimes } from './probe/runtimes.ts'
import { tryProfile } from './probe/trial.ts'
import { supervise } from './supervise.ts'

export interface DaemonOptions {
  readonly paths: StatePaths
  readonly settings: AgentSettings
  /** In place of the GPUs that this machine has. */
  readonly gpus?: GpuPlace | undefined
}

/**
 * `agent start`: opens what must be there, runs the agent until a signal, and closes in the
 * opposite order. The first SIGTERM drains, a second one (or SIGINT) gives the leases back. Rejects
 * with what the agent failed with; the process then ends, whatever hangs.
 */
export async function runDaemon({ paths, settings, gpus: place }: DaemonOptions): Promise<void> {
  checkSocketPath(paths.socket)
  await makeStateFolder(paths.state)
  const log = createLog({ name: 'agent', level: settings.logLevel })
  const key = await loadKey(paths.key)
  const authority = await readAuthority(paths)
  const clock = systemClock()
  // First of all: where the disk is full, the store needs what the ballast gives back to open.
  const disk = await DiskWatch.open({ clock, log }, paths)
  const failure = new Failure()
  const onFailure = failure.raise
  const options = { create: false, openedBy: 'agent', onFailure }
  const store = await openDaemonStore(paths, key.peerId, options, clock)
  const engine = Engine.local(settings.engine)
  const { peerId } = key
  const watch = { settings: settings.gpus }
  const graphics = agentGpus({ engine, peerId, clock, log, watch, place })
  let networks: JobNetworks | undefined
  try {
    await writePid(paths.pid)
    disk.start()
    const { busybox } = settings
    const { workspaces } = paths
    const volumes = volumesFolder(paths, settings, peerId)
    const trialParts = { engine, peerId, busybox }
    const kits = join(workspaces, GROUND_DIR)
    const tryOut = (network: JobNetwork) => tryNetwork(trialParts, network)
    networks = await openNetworks({ engine, clock, log, peerId, tryOut, kits }, settings.network)
    const patient = Engine.local(settings.engine, RUNTIME_CALL_MS_MAX)
    const runtimes = { engine: patient, peerId, busybox, workspaces, clock }
    const host = await probeHost({
      engine,
      settings: probeSettings(paths, settings),
      trial: () => tryProfile(trialParts),
      tryDisk: () => tryDisk({ ...trialParts, folder: volumes, limit: settings.disk.limit }),
      others: () => provenPlatforms(trialParts),
      tryBuilder: settings.builder === 'offer' ? () => tryBuilder(trialParts) : undefined,
      tryRuntimes: (budgetMs, signal) => tryRuntimes(runtimes, budgetMs, signal)
    })
    const book = await RosterBook.open(paths.rosters, authority, clock)
    const { rootDir } = host.engine
    const imageParts = { engine, clock, log, settings, peerId, path: paths.images, rootDir }
    const { sweep, ...found } = await openImages(imageParts)
    const disks = disksOf({ clock, log }, host, {
      folder: volumes,
      paths: [...(await watched(volumes)), rootDir, paths.state]
    })
    const invites = await InviteBook.open(paths.invites, clock)
    const door = openDoor({ clock, log }, settings.policy, settings.capacity.reserve)
    graphics.start()
    const made = { ...found, disks, host, networks, door, book, invites, clock, disk, onFailure }
    const agent = new Agent({ paths, settings, log, key, store, engine, ...graphics, ...made })
    const orders = new SignalOrders()
    sweep.start()
    try {
      await supervise({ agent, failure: failure.raised, orders, clock, log })
    } finally {
      orders.forget()
      found.looks.stop()
      // Nobody waits for it: an engine that hangs must not keep the leases from being given back.
      void sweep.stop()
    }
  } finally {
    endProcessWithin(PROCESS_END_MS_MAX)
    // Its next proof would keep a process that never had an agent.
    networks?.stop()
    graphics.stop()
    await disk.stop()
    await store.close()
    await removePid(paths.pid)
  }
}

function disksOf(
  parts: DisksParts,
  { capacity, disk: control }: HostProfile,
  places: Pick<DisksOptions, 'folder' | 'paths'>
): Disks {
  return new Disks(parts, { capacity, control, ...places })
}

function probeSettings(paths: StatePaths, settings: AgentSettings) {
  const { cpu, memory, disk, jobs, reserve, overcommit } = settings.capacity
  const cpuMilli = cpu === undefined ? undefined : Math.round(cpu * 1_000)
  const sizes = { cpuMilli, memoryBytes: memory, diskBytes: disk, jobs }
  const capacity = { ...sizes, reserveBytes: reserve, overcommit }
  const requireIsolation = settings.isolation.require
  const { busybox } = settings
  const { folder: volumes } = settings.disk
  return { capacity, requireIsolation, state: paths.state, volumes, busybox }
}

/** Of this agent alone: another one with the same setting would take ours for left behind. */
function volumesFolder({ state }: StatePaths, { disk }: AgentSettings, peerId: string): string {
  return disk.folder === undefined ? join(state, 'volumes') : join(disk.folder, peerSuffix(peerId))
}

/** On a disk of its own perhaps, which fills up by itself; its trial says why it cannot be used. */
async function watched(volumes: string): Promise<readonly string[]> {
  const made = mkdir(volumes, { recursive: true, mode: 0o700 })
  return await made.then(
    () => [volumes],
    () => []
  )
}
