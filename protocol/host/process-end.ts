/** Exit code of a process that hung before it could say how it ended: a bug. */
const HUNG_EXIT = 70

/**
 * Ends this process after `ms` where it has not ended by itself, with the exit code that was set: a
 * disk or a connection that hangs must not keep a daemon that has stopped.
 */
export function endProcessWithin(ms: number): void {
  // Not a reason to live by itself: with nothing left to do the process ends before it.
  setTimeout(() => process.exit(process.exitCode ?? HUNG_EXIT), ms).unref()
}
