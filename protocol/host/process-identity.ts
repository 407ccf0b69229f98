import { readFileSync } from 'node:fs'

/** One process of one boot of this host: a process id alone is given out again. */
export interface ProcessIdentity {
  readonly pid: number
  /** When it started, in clock ticks since boot. */
  readonly startTicks: number
  readonly bootId: string
}

/** Field 22 of /proc/PID/stat, counted from the state, which is field 3. */
const START_FIELD = 19

export function ownIdentity(): ProcessIdentity {
  const own = identityOf(process.pid)
  if (own === undefined) throw new Error('/proc does not show this process')
  return own
}

/** Undefined where no such process runs; a dead one that nobody has waited for does not run. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = procFile(pid, 'stat')
  // The name of a process is in brackets and may hold anything, brackets and blanks among it.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? []
  const state = fields[0] ?? 'X'
  const startTicks = Number(fields[START_FIELD])
  if (state === 'Z' || state === 'X' || !Number.isSafeInteger(startTicks)) return undefined
  return { pid, startTicks, bootId: bootId() }
}

/** False once it has ended, whoever has its process id now. */
export function isAlive(identity: ProcessIdentity): boolean {
  const seen = identityOf(identity.pid)
  return seen?.startTicks === identity.startTicks && seen.bootId === identity.bootId
}

/** The identity that was written down as JSON; undefined where it is none. */
export function parseIdentity(value: unknown): ProcessIdentity | undefined {
  const { pid, startTicks, bootId: boot } = (value ?? {}) as Partial<ProcessIdentity>
  if (!Number.isSafeInteger(pid) || !Number.isSafeInteger(startTicks)) return undefined
  if (typeof boot !== 'string' || (pid ?? 0) < 1) return undefined
  return { pid: pid ?? 0, startTicks: startTicks ?? 0, bootId: boot }
}

/** A file of /proc/PID; undefined where there is no such process, or it may not be read. */
export function procFile(
  pid: number,
  name: 'stat' | 'status' | 'cgroup' | 'cmdline'
): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return undefined
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
