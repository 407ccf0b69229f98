/** What a run of the verifier says. */
export interface Report {
  /** Every state was visited, or a breach was found on the way. */
  readonly complete: boolean
  /** The promise that it found broken, by the name of its bit in `lease.pml`. */
  readonly broken: string | undefined
  readonly states: number
  readonly depth: number
  readonly memoryMb: number
}

/** Reads the verifier's own text; undefined where it did not come to its end. */
export function reportOf(text: string): Report | undefined {
  const errors = figure(text, /errors: (\S+)/)
  const states = figure(text, /(\S+) states, stored/)
  const depth = figure(text, /depth reached (\d+)/)
  if (errors === undefined || states === undefined || depth === undefined) return
  // A search that met its limits says "errors: 0" like one that saw everything.
  const cut = /too small|out of memory|memory limit|VECTORSZ|hash-?compact|Bit ?state/i.test(text)
  const broken = /assertion violated\s+!\((\w+)\)/.exec(text)?.[1]
  return {
    complete: !cut && errors === (broken === undefined ? 0 : 1),
    broken,
    states,
    depth,
    memoryMb: figure(text, /(\S+)\s+total actual memory usage/) ?? Number.NaN
  }
}

/** User and system seconds of everything that a shell has started, from its `times`. */
export function childSeconds(text: string): number {
  const [user = 0, system = 0] = [...text.matchAll(/(\d+)m([\d.]+)s/g)]
    .slice(-2)
    .map(([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds))
  return user + system
}

function figure(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}
