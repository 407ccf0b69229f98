import { identityOf, isAlive, procFile } from '../../protocol/host/process-identity.ts'

/**
 * Tells whether the process of an exec still runs, by this host's own list of processes: engines
 * tell of its end only once its output was read, or was given up. True where it cannot be told: by
 * an agent that has process numbers of its own, of a kernel of the container's own.
 */
export function execRuns(container: string, pid: () => Promise<number>): () => Promise<boolean> {
  let known: ReturnType<typeof identityOf> | 'unknown' | undefined
  return async () => {
    known ??= await recognised(container, pid)
    return known === 'unknown' || isAlive(known)
  }
}

async function recognised(container: string, pid: () => Promise<number>) {
  const number = await pid().catch(() => 0)
  const identity = number > 1 ? identityOf(number) : undefined
  const isOurs = procFile(number, 'cgroup')?.includes(container) === true
  return identity !== undefined && isOurs ? identity : 'unknown'
}
