import { GPU_HOST_PROCESSES_MAX, GPU_PIDS_MAX } from '../../../../protocol/core/gpu-use-limits.ts'
import type { HostTree } from '../host-tree.ts'

/** Of a container in a control group's path; whatever runs containers in it comes after. */
const CONTAINER = /[/-]([0-9a-f]{64})(?:\.scope)?(?=\/|$)/
/** Folders that a control group of ours may be below, of version 2 and of 1. */
const MOUNTS = ['sys/fs/cgroup', 'sys/fs/cgroup/unified', 'sys/fs/cgroup/pids'] as const
const DEPTH_MAX = 8

/** The first container that a process of this host is in; undefined for none. */
export function containerIn(cgroup: string): string | undefined {
  for (const line of cgroup.split('\n')) {
    const path = line.split(':').slice(2).join(':')
    const found = CONTAINER.exec(path)?.[1]
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * Processes of a container, as the host numbers them: those of its control group and of all below
 * it. `first` is its process 1, by which the group is found; where the group's folder may not be
 * read, each process of the host is asked.
 */
export async function containerPids(
  tree: HostTree,
  container: string,
  first: number
): Promise<readonly number[]> {
  const cgroup = (await tree.text(`proc/${first}/cgroup`)) ?? ''
  for (const path of pathsIn(cgroup, container)) {
    for (const mount of MOUNTS) {
      const pids = await pidsBelow(tree, `${mount}${path}`, 0)
      if (pids.length > 0) return pids
    }
  }
  const pids: number[] = []
  for (const pid of await tree.numbers('proc', GPU_HOST_PROCESSES_MAX)) {
    const own = (await tree.text(`proc/${pid}/cgroup`)) ?? ''
    if (containerIn(own) === container) pids.push(pid)
  }
  return pids
}

/** Up to and with the container's own name: what its processes made below it is its own as well. */
function pathsIn(cgroup: string, container: string): readonly string[] {
  const paths = cgroup.split('\n').flatMap((line) => {
    const path = line.split(':').slice(2).join(':')
    const found = CONTAINER.exec(path)
    if (found?.[1] !== container) return []
    return [path.slice(0, found.index + found[0].length)]
  })
  return [...new Set(paths)]
}

async function pidsBelow(tree: HostTree, dir: string, depth: number): Promise<readonly number[]> {
  const text = (await tree.text(`${dir}/cgroup.procs`)) ?? ''
  const pids = text
    .split('\n')
    .filter((line) => /^[1-9]\d*$/.test(line))
    .map(Number)
  if (depth === DEPTH_MAX) return pids
  for (const name of await tree.folders(dir)) {
    if (pids.length >= GPU_PIDS_MAX) break
    pids.push(...(await pidsBelow(tree, `${dir}/${name}`, depth + 1)))
  }
  return pids.slice(0, GPU_PIDS_MAX)
}
