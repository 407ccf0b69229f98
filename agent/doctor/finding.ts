import type { MeshError } from '../../protocol/core/errors.ts'

/** One thing that was looked at, with the two facts that should agree. */
export interface Finding {
  /** Of docs/errors.md where it is an error; a word of its own for what is only worth knowing. */
  readonly code: string
  readonly verdict: 'ok' | 'note' | 'warning' | 'failed'
  /** `state`, `key`, `store`, `disk`, `roster`, `engine`, `gpu`, `lifeline`, `clock`, `agent`, `proof`. */
  readonly subject: string
  readonly found: string
  readonly wanted: string
  /** What to do; null where there is nothing to be done. */
  readonly fix: string | null
}

/** What helps somebody who may not read what is the agent's. */
export const AS_OWNER = 'run this as the user of the agent, or as root'

export function ok(subject: string, found: string): Finding {
  return { code: 'OK', verdict: 'ok', subject, found, wanted: found, fix: null }
}

/** Facts of a finding that is not all right. */
export interface Facts {
  readonly found: string
  readonly wanted: string
  readonly fix: string | null
}

export function failed(subject: string, code: string, facts: Facts): Finding {
  return { code, verdict: 'failed', subject, ...facts }
}

export function warning(subject: string, code: string, facts: Facts): Finding {
  return { code, verdict: 'warning', subject, ...facts }
}

/** Of a part of the state that this user may not read: what is in it is not known. */
export function unreadable(subject: string, { code, facts }: MeshError): Finding {
  const user = process.geteuid?.() ?? 'this one'
  const found = `${facts['path']} cannot be read by user ${user} (${facts['cause']})`
  const fix = `${AS_OWNER}; where that does not help, look at its disk`
  return failed(subject, code, { found, wanted: 'that it can be read', fix })
}

export function note(subject: string, code: string, facts: Facts): Finding {
  return { code, verdict: 'note', subject, ...facts }
}
