import { readdirSync, readFileSync } from 'node:fs'
import { eventually } from './eventually.ts'

/** Process ids of the guardians of all agents whose state is below `folder`. */
function guardiansBelow(folder: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const words = commandOf(pid)
      return words.includes('lifeline') && words.some((word) => word.startsWith(`${folder}/`))
    })
    .map(Number)
}

function commandOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    // It has ended meanwhile.
    return []
  }
}

/** Takes the guardians from the agents below `folder`, as if they had been killed by hand. */
export function killGuardians(folder: string): void {
  for (const pid of guardiansBelow(folder)) process.kill(pid, 'SIGKILL')
}

/**
 * Ends the guardians that agents below `folder` have left: one whose engine was the test's own
 * waits for it for ever, since it must not guess what runs there.
 */
export async function endGuardians(folder: string): Promise<void> {
  for (const pid of guardiansBelow(folder)) {
    try {
      process.kill(pid, 'SIGTERM')
    } catch {
      // It has ended by itself.
    }
  }
  await eventually('the guardians end', () => guardiansBelow(folder).length === 0, 10_000)
}
