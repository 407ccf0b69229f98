import { GPU_TOOL_BYTES_MAX } from '../../../protocol/core/gpu-limits.ts'

/** A document of a tool: nothing of its shape is believed. */
export type Json = unknown

/** The document in a tool's output, after whatever it warns of first; undefined for none. */
export function toolJson(text: string): Json {
  let left = READ_BYTES_MAX
  for (const start of starts(text)) {
    const rest = text.slice(start)
    left -= rest.length
    if (left < 0) return undefined
    try {
      return JSON.parse(rest) as Json
    } catch {
      // A bracket of a warning: the document begins further on.
    }
  }
  return undefined
}

/** Read over all tries: megabytes that are cut at their end would be read from each bracket on. */
const READ_BYTES_MAX = 2 * GPU_TOOL_BYTES_MAX

/** Places in a warning that look like a beginning are few. */
const STARTS_MAX = 8

/** One after the other: a tool that prints nonsense may print millions of them. */
function* starts(text: string): Generator<number> {
  let count = 0
  for (const { index } of text.matchAll(/^[ \t]*[{[]/gm)) {
    yield index
    count += 1
    if (count === STARTS_MAX) return
  }
}

/** What stands below these names, one in the other; undefined where one is missing. */
export function at(json: Json, ...names: readonly string[]): Json {
  let value = json
  for (const name of names) value = recordOf(value)[name]
  return value
}

export function recordOf(json: Json): Readonly<Record<string, Json>> {
  const isRecord = typeof json === 'object' && json !== null && !Array.isArray(json)
  return isRecord ? { ...json } : {}
}

export function listOf(json: Json): readonly Json[] {
  return Array.isArray(json) ? json : []
}

/** A text that says something; `N/A` does not. */
export function textOf(json: Json): string | undefined {
  const text = typeof json === 'string' ? json.trim() : ''
  return text === '' || /^\[?N\/A\]?$/i.test(text) ? undefined : text
}

/** A whole number above 0, as a number or in digits. */
export function amountOf(json: Json): number | undefined {
  const text = typeof json === 'number' ? String(json) : (textOf(json) ?? '')
  const value = /^\d{1,16}$/.test(text) ? Number(text) : 0
  return Number.isSafeInteger(value) && value > 0 ? value : undefined
}
