import { harmlessJson } from './harmless.ts'

/** One JSON document with sorted keys: two runs can be compared as text. */
export function jsonText(document: unknown): string {
  return `${harmlessJson(JSON.stringify(sorted(document), null, 2))}\n`
}

/** One JSON document on one line, with sorted keys: of those that come one after the other. */
export function jsonLine(document: unknown): string {
  return `${harmlessJson(JSON.stringify(sorted(document)))}\n`
}

/** Collects an option that may be given several times. */
export function several(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]))
}
