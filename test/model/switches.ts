/*
 * The switches of `lease.pml`: those that take a rule away (`#ifdef NAME` with the reason behind it) and
 * those that set up what is looked at.
 */

/** Not mutations: what may happen, and where it starts. */
export const SETTINGS: ReadonlySet<string> = new Set([
  'WITNESSES',
  'HOLD',
  'CLAIMS0',
  'CLAIMS1',
  'ENDS0',
  'ENDS1',
  'CANCELS0',
  'CANCELS1',
  'ENDWITH',
  'RENEWS',
  'RESTARTS',
  'LATE',
  'ROUND0',
  'FRESH',
  'RENEWED',
  'TMAX'
])

/** Every name that the model's text asks the preprocessor about. */
export function switchesOf(model: string): ReadonlySet<string> {
  const lines = model.split('\n').filter((line) => /^#\s*(if|elif)/.test(line))
  const names = lines.flatMap((line) => [
    ...(/^#\s*ifn?def (\w+)/.exec(line)?.slice(1) ?? []),
    ...[...line.matchAll(/defined\((\w+)\)/g)].map((match) => match[1] ?? '')
  ])
  return new Set(names)
}

/** The names in a row's switches, without their values. */
export function namesOf(switches: readonly string[]): string[] {
  return switches.map((text) => text.split('=')[0] ?? '')
}
