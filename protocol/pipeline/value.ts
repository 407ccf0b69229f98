import type { Path } from './problem.ts'

/* Plain values of a file, before anyone has checked what they are. */

type PlainMap = Readonly<Record<string, unknown>>

export function asMap(value: unknown): PlainMap | undefined {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isMap ? (value as PlainMap) : undefined
}

export function valueAt(root: unknown, path: Path): unknown {
  let value = root
  for (const segment of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment))
      return undefined
    value = (value as Record<string | number, unknown>)[segment]
  }
  return value
}

/** A copy with another value at `path`, where there is one. */
export function withValueAt(root: unknown, [segment, ...rest]: Path, value: unknown): unknown {
  if (segment === undefined) return value
  const map = asMap(root)
  if (map === undefined || !Object.hasOwn(map, segment)) return root
  return { ...map, [segment]: withValueAt(map[segment], rest, value) }
}
