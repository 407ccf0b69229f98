/** One thing that is wrong, and the way out. */
export interface HealthLine {
  readonly code: string
  readonly message: string
  readonly fix: string
}

/** Which witnesses exist and answer; `w` a run, of which `quorum` must agree. */
export interface SeenWitnesses {
  readonly witnesses: readonly { readonly name: string; readonly reachable: boolean }[]
  readonly w: number
  readonly quorum: number
}

/** What people must know of the witnesses, worst first; empty where all is well. */
export function witnessLines({ witnesses, w, quorum }: SeenWitnesses): readonly HealthLine[] {
  const away = witnesses.filter(({ reachable }) => !reachable).map(({ name }) => name)
  const lines: HealthLine[] = []
  if (away.length > 0) lines.push(awayLine(away, witnesses.length, { w, quorum }))
  if (witnesses.length > 0 && w === 1) {
    const message = 'with fewer than 3 witnesses each run depends on one machine'
    const fix = 'admit long-lived members with --witness until there are 3 or 5'
    lines.push({ code: 'WITNESSES_FEW', message, fix })
  }
  return lines
}

function awayLine(
  away: readonly string[],
  total: number,
  { w, quorum }: { readonly w: number; readonly quorum: number }
): HealthLine {
  const fix = `start ${away.join(', ')}`
  const reachable = total - away.length
  if (reachable < quorum) {
    const message = `${reachable} of ${total} witnesses are reachable: no job can be claimed`
    return { code: 'QUORUM_UNREACHABLE', message, fix }
  }
  const names = `witness ${away.join(', ')} is not reachable`
  // Each run has its own w of all witnesses: those that drew too many of the missing must wait.
  if (away.length > w - quorum) {
    const message = `${names}: runs that need more than one of them cannot go on until they are back`
    return { code: 'QUORUM_UNREACHABLE_FOR_SOME', message, fix }
  }
  return { code: 'WITNESS_AWAY', message: `${names}; all goes on without it`, fix }
}
