import type { HealthLine } from './witness-lines.ts'

/** What people must know of members whose key two processes use, by name. */
export function keyLines(names: readonly string[]): readonly HealthLine[] {
  return names.map((name) => ({
    code: 'KEY_SHARED',
    message: `two processes use the key of ${name}: its host was cloned, or its state folder copied`,
    fix: `stop the copy of ${name}, empty its state folder, and let it join as a host of its own`
  }))
}
