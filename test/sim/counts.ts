/** How often what happened in some worlds, by name. */
export type Counts = Readonly<Record<string, number>>

export function addCounts(all: readonly Counts[]): Counts {
  const sum: Record<string, number> = {}
  for (const counts of all) {
    for (const [what, times] of Object.entries(counts)) sum[what] = (sum[what] ?? 0) + times
  }
  return sum
}

/** One line a name, in order. */
export function countLines(counts: Counts): readonly string[] {
  const names = Object.keys(counts).sort((a, b) => (a < b ? -1 : 1))
  const width = Math.max(0, ...names.map((name) => name.length))
  return names.map((name) => `  ${name.padEnd(width)} ${counts[name]}`)
}
