/**
 * Boot milliseconds that steps have left which were told to end: never past the deadline, and so
 * asked again when they are over, since renewals put that off.
 */
export function graceLeftMs(graceEndMs: number, deadlineMs: number, nowMs: number): number {
  return Math.min(graceEndMs, deadlineMs) - nowMs
}
