import type { EquivocationSummary } from '../core/equivocation.ts'
import type { HealthLine } from './witness-lines.ts'

/** What a member was seen to do. */
export interface SeenMembers {
  /** Names of members whose key two processes use. */
  sharedKeys(): readonly string[]
  equivocations(): readonly NamedEquivocation[]
}

export interface NamedEquivocation extends EquivocationSummary {
  /** Of the member that signed both. */
  readonly name: string
}

/** What people must know of other members, by name. */
export function memberLines(seen: SeenMembers): readonly HealthLine[] {
  return [...equivocationLines(seen.equivocations()), ...keyLines(seen.sharedKeys())]
}

/** Of members that signed two different things where the protocol allows one. */
export function equivocationLines(found: readonly NamedEquivocation[]): readonly HealthLine[] {
  return found.map(({ name, subject, seenAtMs, file }) => {
    const at = new Date(seenAtMs).toISOString()
    const proof = file === undefined ? '' : `, ${file} proves it`
    const keep =
      file === undefined ? '' : `; \`agent doctor --proofs\` shows both; then remove ${file}`
    return {
      code: 'EQUIVOCATION',
      message: `${name} signed ${subject}, where one is allowed (${at})${proof}`,
      fix: `stop ${name}, or throw it out with \`agent revoke ${name}\`, and find out why: its program was changed, or its host copied while it ran${keep}, and start this host again`
    }
  })
}

/** The same for whoever asks, token or not: no path, no register and no run is in it. */
export function publicEquivocationLines(
  found: readonly NamedEquivocation[]
): readonly HealthLine[] {
  return found.map(({ name, kind }) => ({
    code: 'EQUIVOCATION',
    message: `${name} signed two ${kind} where one is allowed`,
    fix: `stop ${name} and find out why; on this host \`agent doctor --proofs --state DIR\`, DIR being this gateway's state folder, shows what it signed`
  }))
}

function keyLines(names: readonly string[]): readonly HealthLine[] {
  return names.map((name) => ({
    code: 'KEY_SHARED',
    message: `two processes use the key of ${name}: its host was cloned, or its state folder copied`,
    fix: `stop the copy of ${name}, empty its state folder, and let it join as a host of its own`
  }))
}
