import { QUOTED_CHARACTERS_MAX } from '../core/limits.ts'

/** The candidate that `typed` was most likely meant to be; undefined where none is close. */
export function nearest(typed: string, candidates: readonly string[]): string | undefined {
  if (typed.length > QUOTED_CHARACTERS_MAX) return undefined
  const wanted = normal(typed)
  let best: { readonly candidate: string; readonly edits: number } | undefined
  for (const candidate of candidates) {
    const edits = editsBetween(wanted, normal(candidate))
    // A third of the word may be wrong: beyond that a guess confuses more than it helps.
    const allowed = Math.max(1, Math.floor(Math.min(wanted.length, candidate.length) / 3))
    if (edits <= allowed && edits < (best?.edits ?? Infinity)) best = { candidate, edits }
  }
  return best?.candidate
}

function normal(text: string): string {
  return text.toLowerCase().replaceAll(/[- ]/g, '_')
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editsBetween(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1]
      let edits = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1)
      )
      const isSwap = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (isSwap && row > 1) edits = Math.min(edits, at(beforeLast, column - 2) + 1)
      current.push(edits)
    }
    beforeLast = last
    last = current
  }
  return at(last, b.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Infinity
}
