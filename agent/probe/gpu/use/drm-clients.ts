import { GPU_ENTRIES_MAX } from '../../../../protocol/core/gpu-limits.ts'
import {
  GPU_CLIENTS_MAX,
  GPU_HOST_PROCESSES_MAX
} from '../../../../protocol/core/gpu-use-limits.ts'
import type { HostTree } from '../host-tree.ts'
import { type DrmClient, drmClient } from './drm-fdinfo.ts'

const NODE = /^\/dev\/dri\/(?:renderD|card)\d+$/

/** A client with all processes that hold it: a file is shared by forks and by sockets. */
export interface HeldClient {
  readonly client: DrmClient
  readonly pids: ReadonlySet<number>
}

/** The clients of GPUs that these processes hold, each once. */
export async function drmClients(
  tree: HostTree,
  pids: readonly number[]
): Promise<readonly HeldClient[]> {
  const found = new Map<string, { client: DrmClient; pids: Set<number> }>()
  for (const pid of pids) {
    for (const client of await clientsOf(tree, pid)) {
      const known = found.get(client.key)
      if (known !== undefined) known.pids.add(pid)
      else if (found.size < GPU_CLIENTS_MAX) found.set(client.key, { client, pids: new Set([pid]) })
    }
  }
  return [...found.values()]
}

async function clientsOf(tree: HostTree, pid: number): Promise<readonly DrmClient[]> {
  const clients: DrmClient[] = []
  for (const [fd, path] of await openFiles(tree, pid)) {
    if (!NODE.test(path)) continue
    const client = drmClient((await tree.text(`proc/${pid}/fdinfo/${fd}`)) ?? '')
    if (client !== undefined) clients.push(client)
  }
  return clients
}

/** What a process has open, by number; nothing of one that may not be looked into. */
async function openFiles(tree: HostTree, pid: number): Promise<readonly [number, string][]> {
  const files: [number, string][] = []
  for (const fd of await tree.numbers(`proc/${pid}/fd`, GPU_ENTRIES_MAX)) {
    files.push([fd, (await tree.link(`proc/${pid}/fd/${fd}`)) ?? ''])
  }
  return files
}

/** Processes of this host that have one of these files open. */
export async function holdersOf(
  tree: HostTree,
  paths: ReadonlySet<string>
): Promise<ReadonlySet<number>> {
  const holders = new Set<number>()
  for (const pid of await tree.numbers('proc', GPU_HOST_PROCESSES_MAX)) {
    const files = await openFiles(tree, pid)
    if (files.some(([, path]) => paths.has(path))) holders.add(pid)
  }
  return holders
}
