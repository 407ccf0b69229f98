import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  identityOf,
  isAlive,
  type ProcessIdentity,
  procFile
} from '../../protocol/host/process-identity.ts'

const POLL_MS = 50
/** Of an id that the engine gives; anything shorter might be in anybody's command line. */
const CONTAINER_ID = /^[0-9a-f]{64}$/

/**
 * Processes of this host whose command line names a container: the shim, and what a runtime with a
 * kernel of its own consists of. None for what is no whole id of a container.
 */
export function processesOf(container: string): readonly ProcessIdentity[] {
  if (!CONTAINER_ID.test(container)) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => procFile(Number(name), 'cmdline')?.includes(container) === true)
    .flatMap((name) => identityOf(Number(name)) ?? [])
}

/** Those that still run when the container has been gone for `ms`. */
export async function lingering(
  container: string,
  ms: number
): Promise<readonly ProcessIdentity[]> {
  const endMs = performance.now() + ms
  for (;;) {
    const left = processesOf(container)
    if (left.length === 0 || performance.now() >= endMs) return left
    await sleep(POLL_MS)
  }
}

/** Kills them all, as far as this user may; the engine may start others, to clean up after them. */
export function killAll(container: string): void {
  for (const one of processesOf(container)) kill(one)
}

function kill(one: ProcessIdentity): void {
  try {
    if (isAlive(one)) process.kill(one.pid, 'SIGKILL')
  } catch {
    // Gone meanwhile, or another user's: whoever asks looks again.
  }
}
