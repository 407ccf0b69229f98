/** What was last seen of one repository; kept in the store. */
export interface HeadsRow {
  readonly repository: string
  readonly url: string
  /** The forge's number of it; absent for bare Git. */
  readonly repositoryId?: string | undefined
  /** Full ref to commit; undefined where there are too many to be compared. */
  readonly refs?: Readonly<Record<string, string>> | undefined
  /** Number to head commit of those that are open; undefined where nobody can be asked. */
  readonly pulls?: Readonly<Record<string, string>> | undefined
  /** Wall clock of the first look: what failed before that is not asked for. */
  readonly sinceMs: number
}

export interface Changed {
  readonly name: string
  readonly before: string | undefined
  readonly after: string
}

/** What is new or somewhere else; what is gone starts nothing. */
export function changedIn(
  before: Readonly<Record<string, string>>,
  now: ReadonlyMap<string, string>
): readonly Changed[] {
  const known = new Map(Object.entries(before))
  return [...now].flatMap(([name, after]) => {
    const from = known.get(name)
    return from === after ? [] : [{ name, before: from, after }]
  })
}

/** What is seen now, but for `left`, which stays as it was: the next look finds it again. */
export function seenBut(
  now: ReadonlyMap<string, string>,
  left: readonly Changed[]
): Readonly<Record<string, string>> {
  const seen = new Map(now)
  for (const { name, before: from } of left) {
    if (from === undefined) seen.delete(name)
    else seen.set(name, from)
  }
  return Object.fromEntries(seen)
}
