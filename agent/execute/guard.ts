import { GUARD_AHEAD_MS_MAX } from '../../protocol/core/limits.ts'
import { layFile } from './laid-file.ts'

/** Where the sandbox's own things are inside a container; images do not use this name. */
export const INSIDE = '/.runner-mesh'
export const LEASE_INSIDE = `${INSIDE}/lease`
export const BUSYBOX_INSIDE = `${INSIDE}/busybox`
export const GUARD_INSIDE = `${INSIDE}/guard.sh`

/** The guard's own exit codes; a step's code comes from its exec and is never one of these. */
export const GUARD_EXITS = { ahead: 74, late: 75, expired: 76 } as const

/**
 * Process 1 of every job's container: `busybox sh guard.sh LEASE_DIR AHEAD_CS_MAX [own_clock]`.
 *
 * It never forks once it runs: `read`, `kill` and arithmetic are built in, and it waits by reading
 * a terminal that nobody can write to. A guard that had to fork would fail open as soon as the job
 * has filled the pids limit. Process 1 ends the whole pid namespace with it, so `exit` is the kill.
 *
 * Nor does it follow a path that a job can bend. A mount cannot be moved, but a folder above one
 * can, so the lease folder is entered once, before any step runs, and read from within; its script
 * is open since its start. `/proc` alone is named again: it is a mount right below the root.
 *
 * With `own_clock` the kernel that it runs on is not the host's, and counts from its own start. Beside
 * each deadline stands what the host's clock said when it was written: it cannot say less now, so
 * the largest difference seen is the nearest, and errs to the late side by the shortest time that a
 * deadline took from the holder to the guard.
 */
export const GUARD_SCRIPT = [
  '#!/bin/sh',
  'ahead=$2 own_clock=$3 behind=0 code=75',
  '# The working directory holds on to the mount, wherever its path leads later.',
  'cd "$1" || exit 74',
  '# SIGTERM from the engine is for the steps; process 1 itself stays until the deadline.',
  "trap 'kill -TERM -1' TERM",
  '# The slave of this terminal stays locked, so reads block whatever the job does.',
  'exec 3<>/dev/ptmx || exit 74',
  'while :; do',
  '  up= end= now=',
  '  read -r up _ </proc/uptime',
  '  { read -r end; read -r now; } <deadline',
  '  # Unreadable means expired: the guard must never run on without a deadline.',
  "  case $end in '' | 0* | *[!0-9]*) exit $code ;; esac",
  '  case $up in *[!0-9.]* | *.*.* | .*) exit $code ;; *.[0-9][0-9]) ;; *) exit $code ;; esac',
  '  # The 1 before the fraction keeps 08 and 09 from being octal.',
  '  up=$(($' + '{up%.*} * 100 + 1$' + '{up#*.} - 100))',
  '  if [ -n "$own_clock" ]; then',
  "    case $now in '' | 0* | *[!0-9]*) exit $code ;; esac",
  '    [ $((now - up)) -le "$behind" ] || behind=$((now - up))',
  '  fi',
  '  left=$((end - up - behind))',
  '  [ "$left" -gt 0 ] || exit $code',
  "  # Further ahead than any lease: this kernel's uptime is not the host's and nobody has said so,",
  '  # so the deadline would never come (gVisor, Kata).',
  '  [ "$left" -le "$ahead" ] || exit 74',
  '  code=76',
  '  read -r -t 0.2 _ <&3',
  'done',
  ''
].join('\n')

export const GUARD_COMMAND: readonly string[] = [
  BUSYBOX_INSIDE,
  'sh',
  GUARD_INSIDE,
  LEASE_INSIDE,
  String(GUARD_AHEAD_MS_MAX / 10)
]

/** In a runtime that has a kernel, and with it a clock, of its own. */
export const OWN_CLOCK_GUARD_COMMAND: readonly string[] = [...GUARD_COMMAND, 'own_clock']

/** Writes the guard where containers mount it from, and gives its path. */
export async function layGuard(dir: string): Promise<string> {
  return await layFile(dir, { stem: 'guard', ending: '.sh', text: GUARD_SCRIPT, mode: 0o555 })
}
