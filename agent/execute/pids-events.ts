import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = '/sys/fs/cgroup'

/**
 * Times that the control group of this process refused it a process more; 0 where that cannot be
 * told, in a namespace of control groups, say.
 */
export async function pidsRefused(pid: number): Promise<number> {
  try {
    const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8')
    const events = await readFile(join(pidsFolder(groups), 'pids.events'), 'utf8')
    return Number(/^max (\d+)$/m.exec(events)?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Of the controller's own hierarchy (cgroup v1), else of the one there is. */
export function pidsFolder(groups: string): string {
  const lines = groups.split('\n').map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
  const own = lines.find((line) => line?.[1]?.split(',').includes('pids'))
  if (own?.[2] !== undefined) return join(ROOT, 'pids', own[2])
  return join(ROOT, lines.find((line) => line?.[1] === '')?.[2] ?? '/')
}
