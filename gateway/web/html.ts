import { harmless } from '../../protocol/host/harmless.ts'

/** Text that is HTML already: whatever else comes into a page is made so by `html`. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Part = Html | string | number | readonly Html[]

/**
 * A piece of a page. Strings between come from pushes, logs and forges: they are escaped, on one
 * line, and cannot turn the direction of writing.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const text = strings.map((string, index) => `${string}${textOf(parts[index] ?? '')}`)
  return new Html(text.join(''))
}

function textOf(part: Part): string {
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(({ text }) => text).join('')
  return escaped(harmless(String(part)))
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
