/** A document of a tool: nothing of its shape is believed. */
export type Json = unknown

/** The document in a tool's output, after whatever it warns of first; undefined for none. */
export function toolJson(text: string): Json {
  for (const start of starts(text)) {
    try {
      return JSON.parse(text.slice(start)) as Json
    } catch {
      // A bracket of a warning: the document begins further on.
    }
  }
  return undefined
}

/** Places in a warning that look like a beginning are few. */
const STARTS_MAX = 8

function starts(text: string): readonly number[] {
  return [...text.matchAll(/^[ \t]*[{[]/gm)].slice(0, STARTS_MAX).map(({ index }) => index)
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
