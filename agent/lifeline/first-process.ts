import { causeOf } from '../../protocol/core/errors.ts'
import {
  identityOf,
  isAlive,
  type ProcessIdentity,
  procFile
} from '../../protocol/host/process-identity.ts'

/** Process 1 of one container, as this host numbers it, learned while the engine still answers. */
export interface FirstProcess {
  readonly container: string
  readonly identity: ProcessIdentity
}

export type FirstProcessEnd = 'killed' | 'gone' | 'not_provably_its_own' | 'not_permitted'

/** How a container is ended without its engine. */
export interface FirstProcesses {
  recognise(container: string, pid: number): FirstProcess | undefined
  kill(first: FirstProcess): FirstProcessEnd
}

export const hostProcesses: FirstProcesses = {
  recognise: recogniseFirstProcess,
  kill: killFirstProcess
}

/**
 * Undefined where it cannot be proven that `pid` is process 1 of this container: the engine may
 * count in another pid namespace than we do, and the number may be anybody's.
 */
function recogniseFirstProcess(container: string, pid: number): FirstProcess | undefined {
  const identity = pid > 1 ? identityOf(pid) : undefined
  if (identity === undefined || !isFirstOf(container, pid)) return undefined
  return { container, identity }
}

/**
 * Kills it without the engine. That it is still the same process is looked at last of all: between
 * the look and the signal its number would have to be freed and given out again.
 */
function killFirstProcess(first: FirstProcess): FirstProcessEnd {
  const { container, identity } = first
  if (!isFirstOf(container, identity.pid)) {
    return isAlive(identity) ? 'not_provably_its_own' : 'gone'
  }
  if (!isAlive(identity)) return 'gone'
  try {
    process.kill(identity.pid, 'SIGKILL')
    return 'killed'
  } catch (error) {
    return causeOf(error).includes('ESRCH') ? 'gone' : 'not_permitted'
  }
}

/**
 * In a control group that carries the container's id, and number 1 in a namespace of its own; or
 * what stands for it where that is no process of this host: a kernel of its own (gVisor's), which
 * is started with the container's id.
 */
function isFirstOf(container: string, pid: number): boolean {
  const cgroup = procFile(pid, 'cgroup') ?? ''
  if (container === '' || !cgroup.includes(container)) return false
  if (procFile(pid, 'cmdline')?.split('\0').includes(container)) return true
  const numbers = /^NSpid:((?:\s+\d+)+)$/m.exec(procFile(pid, 'status') ?? '')?.[1]?.trim()
  const inside = numbers?.split(/\s+/) ?? []
  return inside.length > 1 && inside.at(-1) === '1'
}
