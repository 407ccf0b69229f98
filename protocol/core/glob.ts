/**
 * True when the whole `name` matches. `*` stands for anything but a slash, `**` for anything, and a
 * segment `**` followed by a slash for any number of segments, none included.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  const star = pattern.indexOf('*')
  if (star < 0) return pattern === name
  // Most patterns end here: placement asks for every job, of every agent.
  if (!name.startsWith(pattern.slice(0, star))) return false
  const parts = partsOf(pattern.slice(star), star === 0 || pattern[star - 1] === '/')
  const last = parts.pop()
  // One row of the table for each part: no pattern, however nested, costs more than its length.
  let reached: ReadonlySet<number> = new Set([star])
  for (const part of parts) {
    reached = advance(part, reached, name)
    if (reached.size === 0) return false
  }
  return ends(last ?? '', reached, name)
}

/** What patterns cost to match: a `*` or `**` may lead to every place of a name. */
export function starsIn(patterns: readonly string[]): number {
  return patterns.reduce((sum, pattern) => sum + (pattern.match(/\*+/g)?.length ?? 0), 0)
}

/** From the first star on; `isSegment` where a segment begins there. */
function partsOf(rest: string, isSegment: boolean): string[] {
  const parts = rest.match(/(?<![^/])\*\*\/|\*\*|\*|[^*]+/g) ?? []
  if (isSegment || parts[0] !== '**/') return parts
  return ['**', '/', ...parts.slice(1)]
}

/** True where the last part leads from one of these places to the end. */
function ends(part: string, reached: ReadonlySet<number>, name: string): boolean {
  const slash = name.lastIndexOf('/')
  switch (part) {
    case '**':
      return true
    case '*':
      return [...reached].some((at) => at > slash)
    case '**/':
      return slash === name.length - 1 || reached.has(name.length)
    default:
      return reached.has(name.length - part.length) && name.endsWith(part)
  }
}

function advance(part: string, reached: ReadonlySet<number>, name: string): Set<number> {
  const next = new Set<number>()
  const first = Math.min(...reached)
  switch (part) {
    case '**':
      for (let at = first; at <= name.length; at += 1) next.add(at)
      return next
    case '**/':
      for (const at of reached) next.add(at)
      for (let at = first; at < name.length; at += 1) if (name[at] === '/') next.add(at + 1)
      return next
    case '*':
      return withinSegment(reached, name)
    default:
      for (const at of reached) if (name.startsWith(part, at)) next.add(at + part.length)
      return next
  }
}

function withinSegment(reached: ReadonlySet<number>, name: string): Set<number> {
  const next = new Set<number>()
  for (const start of reached) {
    for (let at = start; at <= name.length && !next.has(at); at += 1) {
      next.add(at)
      if (name[at] === '/') break
    }
  }
  return next
}
