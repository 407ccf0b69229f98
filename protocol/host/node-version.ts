import { MeshError } from '../core/errors.ts'

const NEEDED = [20, 19] as const

/** Throws NODE_TOO_OLD: an older Node fails later, with words that nobody can act on. */
export function requireNode(found: string): void {
  const [major = 0, minor = 0] = found.split('.').map(Number)
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return
  throw new MeshError('NODE_TOO_OLD', { found, needed: NEEDED.join('.') })
}
