/** A title, clipboard or other order to the terminal with its text, ended or not. */
const ORDERS = /\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\|$)/g

/** What begins another line, column or page. */
const BREAKS = /[\t\n\v\f\r\u0085\u2028\u2029]+/g

/**
 * What is not seen and changes what is: control characters, eight-bit ones too, and what turns the
 * direction of writing or joins and hides characters.
 */
const UNSEEN = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu

/**
 * Text that came from elsewhere, on one line and without power over the reader's terminal: nothing
 * in it moves the cursor, writes the clipboard, fakes a row or reads backwards. Of a document every
 * text is made so, names of fields included.
 */
export function harmless<T>(value: T): T {
  return cleaned(value) as T
}

function cleaned(value: unknown): unknown {
  if (typeof value === 'string') {
    return value.replace(ORDERS, '').replace(BREAKS, ' ').replace(UNSEEN, '')
  }
  if (Array.isArray(value)) return value.map(cleaned)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  return Object.fromEntries(entries.map(([name, inner]) => [cleaned(name), cleaned(inner)]))
}

const KEPT = /(\u001b\[[0-9;]*m|\t)/
const COLOUR = /\u001b\[[0-9;]*m/
const RESET = '\u001b[0m'

/** One line of a job's log for people: its colours and tabs stay, and end with it. */
export function harmlessLine(text: string): string {
  const parts = text.split(KEPT).map((part) => (KEPT.test(part) ? part : harmless(part)))
  return parts.join('') + (COLOUR.test(text) ? RESET : '')
}

/** JSON means the same with these characters escaped, and can be looked at on a terminal. */
export function harmlessJson(json: string): string {
  return json.replace(UNSEEN, (character) => {
    // The only one outside the texts of a document: between its lines.
    if (character === '\n') return character
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
