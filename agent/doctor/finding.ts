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

export function note(subject: string, code: string, facts: Facts): Finding {
  return { code, verdict: 'note', subject, ...facts }
}
